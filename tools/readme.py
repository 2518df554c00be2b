"""What README shows of figures/*.json: its tables and sentences, and what `make run` ends with."""

import json
from collections import Counter

from helpers.files import ROOT
from tools.pairs import CommandError

STUDIES = ("05", "06", "07")
TIMED = {(): "run", STUDIES: "studies"}  # what is run: the file of its times, and its make target
NOT_YET = "not yet run"
HEADLINES = (  # number of the notebook, key in its figures/*.json, the key in words
    ("01", "distinct_images", "different images in the world"),
    ("01", "entropy_bits", "bits that tell one of them from all others"),
    ("02", "pca_test_squared_error", "PCA, 4 components: squared error per held-out image"),
    ("02", "ae_test_squared_error", "AE, 4 latents: squared error per held-out image"),
    ("03", "vae_test_squared_error", "VAE, 4 latents: squared error per held-out image"),
    ("02", "ae_prior_validity", "AE: valid samples, z ~ N(0, I)"),
    ("02", "ae_fitted_gaussian_validity", "AE: valid samples, z ~ a Gaussian fitted to its codes"),
    ("03", "vae_prior_validity", "VAE: valid samples, z ~ N(0, I)"),
    ("03", "vae_prior_validity_strict", "VAE: valid samples by the strict tolerance"),
    ("03", "vae_prior_coverage", "VAE: coverage of the world by its valid samples"),
    ("04", "vae_mutual_information_bits", "VAE: bits about the image that z keeps, exact"),
    ("04", "vae_kl_bits", "VAE: bits that it pays for them (KL)"),
    ("04", "vae_total_correlation_bits", "VAE: of the difference, dependence between latents"),
    ("04", "limit_bits_at_vae_distortion", "bits that the limit R(D) asks for at its distortion"),
    ("04", "limit_gap_bits_best", "bits over the limit of the nearest VAE, D below 10"),
)


def read_numbers(folder=ROOT / "figures") -> dict:
    """What the notebooks recorded: the numbers of each JSON file in `folder`, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def _headlines(numbers):
    """(words, value, mean ± sd over the seeds of the sweep, notebook) of each headline number."""
    for number, key, words in HEADLINES:
        notebook = next((name for name in numbers if name.startswith(f"{number}_")), number)
        value = numbers.get(notebook, {}).get(key)
        seeds = numbers.get("sweep", {}).get(key)
        spread = "" if number == "01" or "sweep" in numbers else NOT_YET
        if seeds:
            spread = f"{seeds['mean']:.3g} ± {seeds['sd']:.2g}"
        yield words, NOT_YET if value is None else f"{value:,}", spread, notebook


def _headline_table(numbers):
    seeds = len(numbers.get("sweep", {}).get("seeds", [])) or "several"
    lines = [f"| | this run | over {seeds} seeds | notebook |", "| --- | --: | --: | --- |"]
    for *row, name in _headlines(numbers):
        link = f"[{name[:2]}](notebooks/{name}.ipynb)" if name in numbers else name
        lines.append(f"| {' | '.join(row)} | {link} |")
    return "\n".join(lines)


def _times_sentence(numbers, target):
    if target not in numbers:
        return f"`make {target}`, from nothing trained: {NOT_YET}."
    run = numbers[target]
    each = ", ".join(f"{name[:2]}: {seconds:.0f} s" for name, seconds in run["seconds"].items())
    return (
        f"With the packages installed and nothing trained, `make {target}` takes "
        f"{run['total_seconds']:.0f} s ({each}) on {run['cores']} cores "
        f"({run['platform']}, Python {run['python']}, JAX {run['jax']})."
    )


def _claims_table(numbers):
    lines = ["| study | the claim | there | here | verdict |", "| --- | --- | --- | --- | --- |"]
    for name, found in numbers.items():
        link = f"[{name[:2]}](notebooks/{name}.ipynb)"
        for claim, row in found.get("claims", {}).items():
            lines.append(
                f"| {link} | {claim} | {row['source']} | {row['here']} | {row['verdict']} |"
            )
    return "\n".join(lines)


def _throughput_table(numbers):
    bench = numbers.get("benchmarks", {})
    if "throughput" not in bench:
        return f"`make bench`: {NOT_YET}."
    about, rows = bench["about"]["throughput"], bench["throughput"]["rows"]
    others = list(dict.fromkeys(who for row in rows for who in row["fit_over"]))
    heads = ["model", "batch", "images/s", *(f"over {who}" for who in others), "of the arithmetic"]
    lines = [f"| {' | '.join(heads)} |", f"| --- |{' --: |' * (len(heads) - 1)}"]
    for row in rows:
        ratios = [f"{row['fit_over'][who]:.2f}" if who in row["fit_over"] else "" for who in others]
        cells = [row["model"], row["batch"], f"{row['images_per_second']['fit']:,.0f}", *ratios]
        lines.append(f"| {' | '.join(map(str, cells))} | {row['share_of_the_limit']:.2f} |")
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    measured = f"{about['date']} on {about['cores']} cores ({about['machine']})"
    sentences = [f"- {sentence}" for sentence in _bench_sentences(bench)]
    return "\n".join([*lines, "", f"Measured {measured}; {versions}.", "", *sentences]).rstrip()


def _bench_sentences(bench):
    """What `make bench` measured besides throughput, a sentence for each part that has run."""
    if "groups" in bench:
        rows = bench["groups"]["rows"]
        each = ", ".join(f"{r['models']} × {r['model']} {r['together']:.2f}" for r in rows)
        yield f"`fit_many`, times as fast as `fit` for one after the other: {each}."
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
        yield f"Notebooks 01 to 04 from nothing: {total:.0f} s ({listed})."
    if "growth" in bench:
        rows = bench["growth"]["train"]
        fewest, most = (
            f"{1e6 * row['seconds'] / row['n']:.0f} µs an image and "
            f"{row['peak_bytes'] / 2**20:,.0f} MiB for {row['n']:,} images"
            for row in (rows[0], rows[-1])
        )
        yield f"An epoch of training: {fewest}; {most}."


def _fill(readme, name, text):
    before, start, rest = readme.partition(f"<!-- {name} -->")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not end:
        raise CommandError(f"README.md lacks the marks <!-- {name} --> and <!-- /{name} -->.")
    return f"{before}{start}\n{text}\n{end}{after}"


def readme_text(readme: str, numbers: dict) -> str:
    """README.md's text with what is between its marks (tables, times) made from `numbers`."""
    readme = _fill(readme, "headline", _headline_table(numbers))
    readme = _fill(readme, "claims", _claims_table(numbers))
    readme = _fill(readme, "throughput", _throughput_table(numbers))
    times = "\n".join(_times_sentence(numbers, target) for target in TIMED.values())
    return _fill(readme, "times", times)


def results_of(numbers, ran):
    """Lines for the terminal: headline numbers and claims of the notebooks `ran`."""
    for words, value, _, name in _headlines(numbers):
        if name in ran and value != NOT_YET:
            yield f"{words:<55} {value:>8}  {name}"
    for name in ran:
        for claim, row in numbers.get(name, {}).get("claims", {}).items():
            yield f"{claim:<40} {row['verdict']:<15} {name}"
