"""What the READMEs show of figures/*.json: tables and sentences, and what `make run` ends with.

Each part stands between two marks, `<!-- name -->` and `<!-- /name -->`, on one of the `PAGES`.
"""

import json
import re
from collections import Counter

from helpers.files import ROOT
from tools import reading
from tools.pairs import CommandError

WALK = {  # the notebooks of `make run`: title and question, by file name
    "01_data_generation": (
        "Data generation",
        "Why does an image hold 13 bits, and what does one bit buy?",
    ),
    "02_autoencoder": (
        "Autoencoder",
        "How well do 1, 2, 4 or 8 numbers rebuild an image, and can we draw new ones?",
    ),
    "03_variational_autoencoder": (
        "Variational autoencoder",
        "What makes random codes decode to valid shapes, and what does it cost?",
    ),
    "04_latent_information": (
        "Latent information",
        "How many bits does the code keep, and what do they mean?",
    ),
    "05_the_limit": (
        "The limit",
        "How few bits would do, how near does a VAE come, and what keeps it away?",
    ),
}
STUDIES = {  # those of `make studies`
    "06_vae_by_hand": (
        "A VAE by hand",
        "Every gradient of a VAE on paper and in NumPy: does it equal JAX's?",
    ),
    "07_mlp_and_cnn": (
        "MLP and CNN",
        "Which network, how many latents, which balance, on MNIST and Fashion-MNIST?",
    ),
    "08_latent_dimension": (
        "Latent dimension",
        "How many latents does a digit need, and what do they do?",
    ),
    "09_real_images": (
        "Real images",
        "How many bits does a digit's code keep?",
    ),
}
TIMED = {("walk",): "run", ("studies",): "studies"}  # what is run: file of times, make target
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 12  # of prose and of code, read with care
NOT_YET = "not yet run"
# What is measured, its unit, of the AE, of the VAE, beside them. {key:form} is a recorded number,
# its mean ± standard deviation over the seeds of the sweep where that has it; % a percentage.
HEADLINES = (
    (
        "Squared error of a rebuilt image",
        "sum over its pixels",
        "{ae_test_squared_error:.2f}",
        "{vae_test_squared_error:.2f}",
        "PCA, 4 components: {pca_test_squared_error:.1f}",
    ),
    (
        "Random codes z from N(0, I) that decode to valid shapes",
        "% of samples",
        "{ae_prior_validity:%}",
        "{vae_prior_validity:%}",
        "",
    ),
    (
        "The same, z from a mixture of Gaussians fitted to the codes",
        "% of samples",
        "{ae_fitted_mixture_validity:%}",
        "{vae_fitted_mixture_validity:%}",
        "",
    ),
    (
        "Coverage: part of the world that valid shapes from N(0, I) reach",
        "% of what uniform draws reach",
        "{ae_prior_coverage:%}",
        "{vae_prior_coverage:%}",
        "",
    ),
    (
        "Rate and distortion of the noisy code",
        "bits; squared error",
        "no finite rate without noise",
        "{vae_kl_bits:.2f} bits at {vae_distortion:.2f}",
        "the limit R(D): {limit_bits_at_vae_distortion:.1f} bits at {vae_distortion:.2f}",
    ),
    (
        "Of these bits: information + unused room + dependence + form of the code",
        "bits",
        "",
        "{vae_mutual_information_bits:.2f} + {vae_granularity_bits:.2f} "
        "+ {vae_excess_dependence_bits:.2f} + {vae_form_bits:.2f}",
        "in an image: {entropy_bits:.0f} bits",
    ),
)


def read_numbers(folder=ROOT / "figures") -> dict:
    """What the notebooks recorded: the numbers of each JSON file in `folder`, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _with_spread(value, sd, form):
    unit = ""
    if form == "%":
        value, sd, form, unit = 100 * value, None if sd is None else 100 * sd, ".0f", " %"
    return f"{value:{form}}{'' if sd is None else f' ± {sd:{form}}'}{unit}"


def _cell(template, numbers, used):
    """A template with its numbers in place; the notebooks that record them are added to `used`."""

    def shown(match):
        key, form = match.groups()
        found = [
            n for n in numbers if n[:2].isdigit() and isinstance(numbers[n].get(key), int | float)
        ]
        used.update(found[:1])
        if seeds := numbers.get("sweep", {}).get(key):
            return _with_spread(seeds["mean"], seeds["sd"], form)
        return _with_spread(numbers[found[0]][key], None, form)

    try:
        return re.sub(r"\{(\w+):([^}]+)\}", shown, template)
    except IndexError:
        return NOT_YET


def _headlines(numbers):
    """(words, unit, AE, VAE, beside them, names of the notebooks) of each headline row."""
    for words, unit, *templates in HEADLINES:
        used = set()
        yield words, unit, *(_cell(template, numbers, used) for template in templates), sorted(used)


def _link(name, folder="notebooks/"):
    return f"[{name[:2]}]({folder}{name}.ipynb)"


def _headline_table(numbers):
    lines = ["| | unit | AE | VAE | for comparison | in |", "| --- | --- | --: | --: | --- | --- |"]
    for *row, names in _headlines(numbers):
        lines.append(f"| {' | '.join(row)} | {' '.join(map(_link, names))} |")
    seeds = len(numbers.get("sweep", {}).get("seeds", [])) or "several"
    about = f"± is the standard deviation over {seeds} seeds; a number without it is of one run."
    return "\n".join([*lines, "", about])


def _minutes(seconds):
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def reading_minutes(root=ROOT) -> dict:
    """How long each notebook takes to read: minutes by name, to five, from its words and lines."""
    if not any(root.glob("notebooks_py/*.py")):
        return {}
    rows = reading.table(root)
    lines = rows[list(reading.KINDS)].sum(axis=1)
    minutes = rows["words"] / WORDS_A_MINUTE + lines / LINES_A_MINUTE
    return {name: 5 * max(round(each / 5), 1) for name, each in minutes.items()}


def _notebook_table(numbers):
    seconds = {name: s for group in TIMED.values() for name, s in
               numbers.get(group, {}).get("seconds", {}).items()}  # fmt: skip
    lines = ["| notebook | the question | to read | to run |", "| --- | --- | --: | --: |"]
    for about, group in (("the walk", WALK), ("studies of other texts", STUDIES)):
        lines.append(f"| *{about}* | | | |")
        for name, (title, question) in group.items():
            read = numbers.get("reading", {}).get(name)
            read = NOT_YET if read is None else f"{read} min"
            run = _minutes(seconds[name]) if name in seconds else NOT_YET
            link = f"[{name[:2]} · {title}](notebooks/{name}.ipynb)"
            lines.append(f"| {link} | {question} | {read} | {run} |")
    return "\n".join(lines)


def _times(numbers):
    """The two commands, each with its time, and where that was measured."""
    what = {"run": "sets up .venv and executes the walk", "studies": "executes the studies"}
    lines, machines, at_once = [], [], 1
    for target, words in what.items():
        run, time = numbers.get(target), NOT_YET
        if run:
            time, at_once = _minutes(run["total_seconds"]), max(at_once, run["at_once"])
            machines.append(f"{run['cores']} cores ({run['platform']}, Python {run['python']}, "
                            f"JAX {run['jax']})")  # fmt: skip
        lines.append(f"{f'make {target}':<13} # {words}: {time}")
    where = f"Measured on {' and '.join(dict.fromkeys(machines))}" if machines else "Not measured"
    after = f"{where}, with the packages installed and nothing trained"
    after += f", {at_once} notebooks at once." if at_once > 1 else "."
    return "\n".join(["```sh", *lines, "```", "", after])


def _claims_table(numbers):
    lines = ["| study | the claim | there | here | verdict |", "| --- | --- | --- | --- | --- |"]
    for name, found in numbers.items():
        for claim, row in found.get("claims", {}).items():
            cells = _link(name, ""), claim, row["source"], row["here"], row["verdict"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _throughput_table(numbers):
    bench = numbers.get("benchmarks", {})
    if "throughput" not in bench:
        return f"`make bench`: {NOT_YET}."
    about, rows = bench["about"]["throughput"], bench["throughput"]["rows"]
    heads = ["model", "batch", "images/s", "over a loop of nnx.jit", "over the best PyTorch"]
    heads += ["of the arithmetic", "which PyTorch"]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' --: |' * (len(heads) - 2)} --- |"]
    for row in rows:
        speed, loop = row["images_per_second"]["fit"], row["fit_over"].get("a loop of nnx.jit")
        ratios = [loop, row.get("fit_over_best_pytorch"), row["share_of_the_limit"]]
        cells = [row["model"], f"{row['batch']}", f"{speed:,.0f}"]
        cells += ["" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        lines.append(f"| {' | '.join(cells)} | {row.get('best_pytorch', NOT_YET)} |")
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    measured = f"{about['date']} on {about['cores']} cores ({about['machine']})"
    why_not = {who: why for row in rows for who, why in row.get("not_measured", {}).items()}
    sentences = [f"- Not measured: {who} ({why})." for who, why in why_not.items()]
    sentences += [f"- {sentence}" for sentence in _bench_sentences(bench)]
    return "\n".join([*lines, "", f"Measured {measured}; {versions}.", "", *sentences]).rstrip()


def _bench_sentences(bench):
    """What `make bench` measured besides throughput, a sentence for each part that has run."""
    if "convolutions" in bench:
        rows = bench["convolutions"]["rows"]
        ours, xla = (
            max(row["images_per_second"] for row in rows if row["layers"] == layers)
            for layers in ("ours", "xla")
        )
        yield f"The CNN with layers of our own: {ours / xla:.1f} times as fast as with XLA's."
    if "startup" in bench:
        cold, warm = (bench["startup"][cache]["all"] for cache in ("no cache", "warm cache"))
        yield f"A first training step is done after {cold:.1f} s; {warm:.1f} s with a warm cache."
    if "walkthrough" in bench:
        parts = sum((Counter(of_one) for of_one in bench["walkthrough"].values()), Counter())
        total = parts.pop("all")
        listed = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in parts.most_common())
        yield f"The walk from nothing: {total:.0f} s ({listed})."
    if "growth" in bench:
        rows = bench["growth"]["train"]
        fewest, most = (
            f"{1e6 * row['seconds'] / row['n']:.0f} µs an image and "
            f"{row['peak_bytes'] / 2**20:,.0f} MiB for {row['n']:,} images"
            for row in (rows[0], rows[-1])
        )
        yield f"An epoch of training: {fewest}; {most}."


PARTS = {  # between the marks of this name
    "headline": _headline_table,
    "notebooks": _notebook_table,
    "times": _times,
    "claims": _claims_table,
    "throughput": _throughput_table,
}
PAGES = ("README.md", "notebooks/README.md", "benchmarks/README.md")


def readme_text(text: str, numbers: dict) -> str:
    """A page's text with what is between its marks made from `numbers`.

    numbers: as `read_numbers` gives them, and under "reading" what `reading_minutes` does. Raises
    CommandError for a mark without its partner.
    """
    for name, part in PARTS.items():
        start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        if start not in text and end not in text:
            continue
        before, _, rest = text.partition(start)
        _, ended, after = rest.partition(end)
        if not ended:
            raise CommandError(f"A page with one of the marks {start} and {end} lacks the other.")
        text = f"{before}{start}\n{part(numbers)}\n{end}{after}"
    return text


def filled(root=ROOT) -> dict:
    """The text of each of the `PAGES` that is in `root`, by its name, with its numbers in place."""
    numbers = read_numbers(root / "figures") | {"reading": reading_minutes(root)}
    pages = {page: root / page for page in PAGES if (root / page).exists()}
    return {page: readme_text(path.read_text("utf-8"), numbers) for page, path in pages.items()}


def results_of(numbers, ran):
    """Lines for the terminal: headline numbers and claims of the notebooks `ran`."""
    numbers = {name: numbers[name] for name in ran if name in numbers}
    for words, unit, ae, vae, beside, names in _headlines(numbers):
        if names:
            parts = {"AE": ae, "VAE": vae, "": beside}
            told = "; ".join(f"{who} {value}".strip() for who, value in parts.items()
                             if value and value != NOT_YET)  # fmt: skip
            yield f"{words} ({unit}): {told}"
    for name, found in numbers.items():
        for claim, row in found.get("claims", {}).items():
            yield f"{claim:<40} {row['verdict']:<15} {name}"
