"""The commands: one-way sync that loses no edit, runs that leave no half-written notebook."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib

import jupytext
import nbformat
import pytest

from helpers.files import ROOT
from tools import commands
from tools.commands import main
from tools.pairs import CommandError, pair_problems
from tools.readme import (
    HEADLINES,
    PAGES,
    PARTS,
    STUDIES,
    WALK,
    filled,
    readme_text,
    results_of,
)

SOURCE = (ROOT / "tests/programs/tiny_notebook.py").read_text("utf-8")
README = (
    "Before.\n<!-- headline -->\n<!-- /headline -->\nBetween.\n<!-- claims -->\n<!-- /claims -->\n"
    "<!-- times -->\n<!-- /times -->\n<!-- throughput -->\n<!-- /throughput -->\n"
    "<!-- notebooks -->\n<!-- /notebooks -->\n"
)
NUMBERS = {
    "01_data_generation": {"distinct_images": 8192, "entropy_bits": 13.0},
    "02_autoencoder": {"ae_test_squared_error": 1.234, "ae_prior_validity": 0.512},
    "03_variational_autoencoder": {"vae_prior_validity": 0.8, "ae_prior_validity": 0.512},
    "04_latent_information": {"vae_kl_bits": 17.84, "vae_distortion": 0.584},
    "06_vae_by_hand": {
        "claims": {"the KL": {"source": "a form", "here": "equal", "verdict": "so"}},
    },
    "run": {"seconds": {"01_data_generation": 8.4, "02_autoencoder": 91.6}, "total_seconds": 100.0,
            "at_once": 2, "cores": 2, "platform": "Linux x86_64", "python": "3.11.7",
            "jax": "0.10.2"},
    "sweep": {"seeds": [0, 1, 2],
              "ae_test_squared_error": {"mean": 1.3, "sd": 0.12, "values": [1.2, 1.3, 1.4]},
              "vae_prior_validity": {"mean": 0.907, "sd": 0.0225, "values": [0.9]}},
    "reading": {"01_data_generation": 45},
    "benchmarks": {
        "throughput": {"rows": [
            {"model": "AE", "batch": 64, "images_per_second": {"fit": 12345.0},
             "fit_over": {"a loop of nnx.jit": 2.06, "PyTorch, eager": 1.9, "PyTorch, tuned": 1.5},
             "fit_over_best_pytorch": 1.5, "best_pytorch": "tuned", "share_of_the_limit": 0.613},
            {"model": "CNN", "batch": 256, "images_per_second": {"fit": 900.0},
             "fit_over": {"PyTorch, eager": 0.9}, "fit_over_best_pytorch": 0.9,
             "best_pytorch": "eager", "share_of_the_limit": 0.2,
             "not_measured": {"PyTorch, tuned": "no compiler"}},
        ]},
        "convolutions": {"rows": [
            {"layers": "ours", "images_per_second": 1600.0},
            {"layers": "ours", "images_per_second": 900.0},
            {"layers": "xla", "images_per_second": 400.0},
        ]},
        "startup": {"no cache": {"import": 1.0, "all": 5.94}, "warm cache": {"all": 2.31}},
        "walkthrough": {"01": {"training": 10.4, "compile": 30.0, "all": 40.4},
                        "02": {"training": 59.7, "compile": 9.0, "all": 68.7}},
        "growth": {"train": [{"n": 2048, "seconds": 0.1, "peak_bytes": 2**30},
                             {"n": 4096, "seconds": 0.16, "peak_bytes": 2**31}]},
        "about": {"throughput": {"machine": "Linux x86_64", "cores": 2,
                                 "date": "2026-11-21", "versions": {"jax": "0.10.2"}}},
    },
}  # fmt: skip


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A git repository with one pair, executed in thought, and a README; nothing of it synced."""
    monkeypatch.setenv("LATENT_BITS_OUTPUT_DIR", str(tmp_path / "output"))
    root = tmp_path / "repository"
    (root / "notebooks_py").mkdir(parents=True)
    (root / "notebooks_py" / "01_tiny.py").write_text(SOURCE)
    (root / "README.md").write_text(README)
    git(root, "init", "--quiet")
    commit(root)
    return root


def git(root, *arguments):
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", "-C", str(root), *author, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A state")


def edit(root, old, new):
    path = root / "notebooks_py" / "01_tiny.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def ipynb(root):
    return root / "notebooks" / "01_tiny.ipynb"


def read(root):
    return nbformat.read(ipynb(root), as_version=4)


def write_outputs(root):
    """Give every code cell an output."""
    notebook = read(root)
    for n, cell in enumerate(c for c in notebook.cells if c.cell_type == "code"):
        cell.outputs = [nbformat.v4.new_output("stream", text=f"output {n}\n")]
        cell.execution_count = n + 1
    nbformat.write(notebook, ipynb(root))


def test_sync_makes_a_missing_notebook(repository):
    assert pair_problems(repository) == ["01_tiny has no .ipynb"]
    assert main(["sync"], repository) == 0
    assert pair_problems(repository) == []
    notebook = read(repository)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec == {
        "display_name": "Python 3", "language": "python", "name": "python3",
    }  # fmt: skip
    assert [cell.cell_type for cell in notebook.cells] == ["markdown", "code", "code", "code"]
    assert notebook.cells[1].metadata == {"nbmake": {"mock": {"N": 1}}}


def test_a_second_sync_changes_no_byte_whatever_the_file_times(repository):
    main(["sync"], repository)
    before = ipynb(repository).read_bytes()
    for newer in (ipynb(repository), repository / "notebooks_py" / "01_tiny.py"):
        os.utime(newer)
        assert main(["sync"], repository) == 0
        assert ipynb(repository).read_bytes() == before


def test_what_an_editor_adds_goes_with_the_next_sync(repository):
    main(["sync"], repository)
    write_outputs(repository)
    main(["sync"], repository)
    before, notebook = ipynb(repository).read_bytes(), read(repository)
    notebook.metadata["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    notebook.metadata["language_info"]["version"] = "3.13.15"
    notebook.metadata["widgets"] = {}
    cell = notebook.cells[2]
    cell.metadata |= {"collapsed": True, "execution": {}, "jupyter": {"outputs_hidden": True}}
    cell.outputs += [nbformat.v4.new_output("display_data"), nbformat.v4.new_output("stream")]
    nbformat.write(notebook, ipynb(repository))
    assert ipynb(repository).read_bytes() != before
    assert main(["sync"], repository) == 0
    assert ipynb(repository).read_bytes() == before


def test_what_hides_a_source_is_in_both_halves(repository):
    hidden = ' cellView="form" jupyter={"source_hidden": true}'
    edit(repository, "# %%\nN * 21", f"# %%{hidden}\nN * 21")
    main(["sync"], repository)
    shown = {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert read(repository).cells[3].metadata == shown
    text = jupytext.writes(read(repository), fmt="py:percent")
    assert text == (repository / "notebooks_py" / "01_tiny.py").read_text()


def test_a_deleted_notebook_comes_back_the_same(repository):
    main(["sync"], repository)
    before = ipynb(repository).read_bytes()
    ipynb(repository).unlink()
    main(["sync"], repository)
    assert ipynb(repository).read_bytes() == before


def test_an_edit_of_the_py_keeps_what_it_does_not_touch(repository):
    main(["sync"], repository)
    write_outputs(repository)
    before = read(repository).cells
    edit(repository, "N * 21", "N * 22\n\n# %%\nN + 1")
    assert pair_problems(repository) == ["01_tiny: .py and .ipynb differ in cells [4, 5]"]
    assert main(["sync"], repository) == 0
    after = read(repository).cells
    assert after[:3] == before[:3]
    assert [cell.source for cell in after[3:]] == ["N * 22", "N + 1"]
    assert [cell.outputs for cell in after[3:]] == [[], []]
    assert [cell.execution_count for cell in after[3:]] == [None, None]
    assert len({cell.id for cell in after}) == len(after)
    assert pair_problems(repository) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [('"N": 1', '"N": 3'), ('tags=["kept"]', 'tags=["other"]'), (' tags=["kept"]', "")],
)
def test_an_edit_of_tags_or_mocks_flows_too(repository, old, new):
    main(["sync"], repository)
    write_outputs(repository)
    outputs = [cell.get("outputs") for cell in read(repository).cells]
    edit(repository, old, new)
    assert len(pair_problems(repository)) == 1
    assert main(["sync"], repository) == 0
    assert pair_problems(repository) == []
    assert [cell.get("outputs") for cell in read(repository).cells] == outputs


def test_edits_follow_each_other_without_a_commit(repository):
    for n in range(3, 6):
        edit(repository, f"N = {n - 1}", f"N = {n}")
        assert main(["sync"], repository) == 0
        assert read(repository).cells[1].source == f"N = {n}"


def test_a_pulled_edit_flows_where_nothing_was_synced_before(repository):
    main(["sync"], repository)
    commit(repository)
    shutil.rmtree(repository / "data")
    edit(repository, "N * 21", "N * 22")
    assert main(["sync"], repository) == 0
    assert pair_problems(repository) == []


def test_an_edit_of_the_ipynb_stops_the_sync_until_forced(repository, capsys):
    main(["sync"], repository)
    notebook = read(repository)
    notebook.cells[3].source = "N * 23"
    nbformat.write(notebook, ipynb(repository))
    edited = ipynb(repository).read_bytes()
    edit(repository, "N = 2", "N = 4")
    capsys.readouterr()
    assert main(["sync"], repository) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "01_tiny.ipynb holds edits in cells [4]" in message
    assert ipynb(repository).read_bytes() == edited
    assert main(["sync", "--force"], repository) == 0
    assert [cell.source for cell in read(repository).cells][1::2] == ["N = 4", "N * 21"]


def test_a_damaged_notebook_stops_with_one_line(repository, capsys):
    main(["sync"], repository)
    ipynb(repository).write_text("{")
    assert main(["sync"], repository) == 1
    assert "01_tiny.ipynb is not a readable notebook" in capsys.readouterr().err


def test_a_notebook_without_its_py_is_a_problem(repository):
    main(["sync"], repository)
    (repository / "notebooks_py" / "01_tiny.py").unlink()
    assert pair_problems(repository) == ["01_tiny has no .py"]


def test_run_executes_and_a_rerun_changes_no_byte(repository, capsys, monkeypatch):
    assert main(["run"], repository) == 0
    out = capsys.readouterr().out
    assert "01_tiny: running" in out
    assert "01_tiny: done in" in out
    notebook = read(repository)
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3]
    assert [output.text for output in notebook.cells[2].outputs] == ["N is 2\nand a second line\n"]
    assert notebook.cells[3].outputs[0].data["text/plain"] == "42"
    assert "version" not in notebook.metadata.language_info
    assert not any("execution" in cell.metadata for cell in notebook.cells)
    assert "\r" not in out
    commit(repository)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["run", "01"], repository) == 0
    assert git(repository, "status", "--porcelain") == ""
    again = "\r\x1b[K"
    counted = [f"{again}01_tiny: cell {number} of 4" for number in range(1, 5)]
    assert f"{''.join(counted)}{again}01_tiny: done in " in capsys.readouterr().out


def test_run_ends_with_the_numbers_and_the_claims_of_what_ran():
    lines = list(results_of(NUMBERS, ["02_autoencoder", "06_vae_by_hand"]))
    assert lines[0].startswith("Squared error of a rebuilt image (")
    assert lines[0].endswith(": AE 1.23")  # of this run; another notebook's are not told
    assert lines[1].endswith(": AE 51 %")
    assert lines[2].split() == ["the", "KL", "so", "06_vae_by_hand"]
    assert len(lines) == 3


def test_run_records_its_times_on_request_where_nothing_was_trained(
    repository, tmp_path, capsys, monkeypatch
):
    recorded = tmp_path / "output" / "figures" / "run.json"
    checkpoints = tmp_path / "output" / "data" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "ae.npz").touch()
    assert main(["run", "--times"], repository) == 1
    assert "TIMES: expected nothing trained" in capsys.readouterr().err
    (checkpoints / "ae.npz").unlink()
    assert main(["run", "--times", "01"], repository) == 1
    assert "TIMES: expected the walk or the studies, got 01" in capsys.readouterr().err
    assert main(["run"], repository) == 0
    assert not recorded.exists()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    assert main(["run", "--times"], repository) == 1
    assert "TIMES: expected no JAX_COMPILATION_CACHE_DIR" in capsys.readouterr().err
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    assert main(["run", "--times"], repository) == 0
    run = json.loads(recorded.read_text())
    assert list(run["seconds"]) == ["01_tiny"]
    assert run["cores"] >= 1
    assert run["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_failing_cell_leaves_the_file_and_is_named(repository, capsys):
    edit(repository, "N * 21", 'raise ValueError("this went wrong")')
    main(["sync"], repository)
    before = ipynb(repository).read_bytes()
    capsys.readouterr()
    assert main(["run"], repository) == 1
    captured = capsys.readouterr()
    assert "01_tiny.ipynb, code cell 3: ValueError: this went wrong\n" in captured.err
    assert "01_tiny.ipynb is unchanged." in captured.err
    assert "\x1b" not in captured.err
    assert "done" not in captured.out
    assert ipynb(repository).read_bytes() == before


def said_in_failing(repository, capsys):
    """What `run` says where one notebook fails: soon, and without the end of the other."""
    start = time.monotonic()
    assert main(["run"], repository) == 1
    assert time.monotonic() - start < 300
    captured = capsys.readouterr()
    assert "done" not in captured.out
    return captured.err


def test_two_notebooks_run_side_by_side_and_a_failure_stops_both(repository, capsys, monkeypatch):
    monkeypatch.setattr(commands, "AT_ONCE", 2)
    meet = """import time
from pathlib import Path
(Path.cwd() / "here-{mine}").touch()
for _ in range(600):
    time.sleep(0.1)
    if (Path.cwd() / "here-{other}").exists():
        break
else:
    raise TimeoutError("nobody came")
"""
    tiny = repository / "notebooks_py" / "01_tiny.py"
    second = tiny.with_name("02_second.py")
    tiny.write_text(SOURCE.replace("N * 21", meet.format(mine=1, other=2)))
    second.write_text(SOURCE.replace("N * 21", meet.format(mine=2, other=1)))
    assert main(["run"], repository) == 0
    assert capsys.readouterr().out.count(": done in ") == 2
    tiny.write_text(SOURCE.replace("N * 21", "import time\ntime.sleep(600)"))
    second.write_text(SOURCE.replace("N * 21", "1 / 0"))
    main(["sync"], repository)
    before = ipynb(repository).read_bytes()
    capsys.readouterr()
    assert "02_second.ipynb, code cell 3: ZeroDivisionError" in said_in_failing(repository, capsys)
    assert ipynb(repository).read_bytes() == before


def test_a_notebook_that_does_not_hear_that_it_shall_stop_is_told_again(
    repository, capsys, monkeypatch
):
    async def execute(path, tell, whole):
        """One fails; the other takes no notice of the first cancellation."""
        if path.stem == "02_second":
            raise CommandError("it fails")
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(600)
        await asyncio.sleep(600)

    monkeypatch.setattr(commands, "AT_ONCE", 2)
    monkeypatch.setattr(commands, "PATIENCE", 0.1)
    monkeypatch.setattr(commands, "_execute", execute)
    tiny = repository / "notebooks_py" / "01_tiny.py"
    tiny.with_name("02_second.py").write_text(tiny.read_text())
    assert "it fails" in said_in_failing(repository, capsys)


def test_a_notebook_waits_for_those_whose_models_it_loads(repository, monkeypatch):
    monkeypatch.setattr(commands, "AFTER", {"01_tiny": ("02_second", "03_not_there")})
    tiny = repository / "notebooks_py" / "01_tiny.py"
    slow = "import time\nfrom pathlib import Path\ntime.sleep(2)\nPath('done').touch()"
    tiny.with_name("02_second.py").write_text(SOURCE.replace("N * 21", slow))
    tiny.write_text(
        SOURCE.replace("N * 21", "from pathlib import Path\nassert Path('done').exists()")
    )
    assert main(["run"], repository) == 0


def test_a_kernel_that_dies_is_told(repository, capsys):
    edit(repository, "N * 21", "import os\nos._exit(1)")
    assert main(["run"], repository) == 1
    assert "01_tiny.ipynb is unchanged: its kernel died" in capsys.readouterr().err


def test_a_notebook_that_is_not_there_is_named(repository, capsys):
    assert main(["run", "09"], repository) == 1
    assert capsys.readouterr().err == "No notebook starts with 09; there are: 01_tiny.\n"


def test_readme_text_shows_the_numbers_between_its_marks():
    text = readme_text(README, NUMBERS)
    assert text.startswith("Before.\n<!-- headline -->\n| ")
    assert "| 1.30 ± 0.12 | not yet run |" in text  # the sweep's mean where there is one
    assert "| 51 % | 91 ± 2 % |" in text
    assert (
        "| 17.84 bits at 0.58 | not yet run | [04](notebooks/04_latent_information.ipynb) |" in text
    )
    assert (
        "| not yet run | in an image: 13 bits | [01](notebooks/01_data_generation.ipynb) |" in text
    )
    assert "over 3 seeds;" in text
    assert "<!-- /headline -->\nBetween.\n<!-- claims -->\n| study |" in text
    assert "| [06](06_vae_by_hand.ipynb) | the KL | a form | equal | so |\n" in text
    assert "\nmake run      # sets up .venv and executes the walk: 2 min\n" in text
    assert "\nmake studies  # executes the studies: not yet run\n" in text
    assert "Measured on 2 cores (Linux x86_64, Python 3.11.7, JAX 0.10.2), with" in text
    assert "[01 · Data generation](notebooks/01_data_generation.ipynb) | Why does" in text
    assert "what does one bit buy? | 45 min | 8 s |\n" in text
    assert "| AE | 64 | 12,345 | 2.06 | 1.50 | 0.61 | tuned |\n" in text
    assert "| CNN | 256 | 900 |  | 0.90 | 0.20 | eager |\n" in text
    assert "- Not measured: PyTorch, tuned (no compiler).\n" in text
    assert "Measured 2026-11-21 on 2 cores (Linux x86_64); jax 0.10.2." in text
    assert "- The CNN with layers of our own: 4.0 times as fast as with XLA's.\n" in text
    assert "is done after 5.9 s; 2.3 s with a warm cache.\n" in text
    assert "- The walk from nothing: 109 s (training 70 s, compile 39 s).\n" in text
    assert "49 µs an image and 1,024 MiB for 2,048 images; 39 µs an image and 2,048 MiB" in text
    assert readme_text(text, NUMBERS) == text


def test_readme_text_without_numbers_says_so_everywhere():
    text = readme_text(README, {})
    assert text.count("not yet run") > 10
    assert "Not measured, with" in text
    assert readme_text(readme_text(README, NUMBERS), {}) == text


@pytest.mark.parametrize("mark", ["<!-- headline -->", "<!-- /times -->"])
def test_a_mark_without_its_partner_is_refused(mark):
    with pytest.raises(CommandError, match="lacks the other"):
        readme_text(README.replace(mark, ""), NUMBERS)


def test_readme_command_fills_every_page(repository):
    (repository / "figures").mkdir()
    for name, numbers in NUMBERS.items():
        (repository / "figures" / f"{name}.json").write_text(json.dumps(numbers))
    for page in PAGES[1:]:
        (repository / page).parent.mkdir(exist_ok=True)
        (repository / page).write_text(README)
    assert main(["readme"], repository) == 0
    expected = readme_text(README, NUMBERS | {"reading": {"01_tiny": 5}})
    assert [(repository / page).read_text() for page in PAGES] == [expected] * len(PAGES)


def test_the_readme_shows_the_recorded_numbers():
    for page, text in filled().items():
        assert (ROOT / page).read_text() == text, f"{page}: run `make readme`"


def test_every_part_stands_on_one_page_and_every_notebook_is_listed():
    pages = [(ROOT / page).read_text() for page in PAGES]
    for name in PARTS:
        assert sum(page.count(f"<!-- {name} -->") for page in pages) == 1, name
    assert [*WALK, *STUDIES] == sorted(path.stem for path in ROOT.glob("notebooks_py/*.py"))


def test_the_first_page_is_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    words = re.findall(r"[A-Za-z][\w'-]*", re.sub(r"\]\([^)]*\)|<!--.*?-->", "", text))
    assert len(words) <= 850
    assert len(HEADLINES) == 6


def test_links_between_the_pages_lead_somewhere():
    for page in (*PAGES, "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text()):
            if not link.startswith("https://"):
                assert ((ROOT / page).parent / link.partition("#")[0]).exists(), f"{page}: {link}"


def test_the_citation_is_of_this_version():
    cited = (ROOT / "CITATION.cff").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"\nversion: {project['version']}\n" in cited
    assert f"\nrepository-code: {project['urls']['Repository']}\n" in cited


@pytest.fixture
def workshop(tmp_path):
    """A folder with the Makefile and requirements of the project, and no environment."""
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder, *arguments):
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=inherited, capture_output=True, text=True)


def stop_line(made):
    """The one line that a failing make printed beside its own."""
    assert made.returncode != 0
    line, own = made.stderr.splitlines()
    assert "Error 1" in own
    return line


def python(folder, script):
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"PYTHON={path}"


def test_make_alone_lists_its_targets(workshop):
    made = make(workshop)
    listed = [line.split()[1] for line in made.stdout.splitlines()]
    assert {"run", "test", "test-all", "lab", "sync", "lint", "sweep", "readme", "clean"} <= {
        *listed
    }
    assert made.stderr == ""


def test_a_python_that_is_too_old_is_told(workshop):
    old = python(workshop, "exit 1")
    assert "needs Python 3.11 or newer" in stop_line(make(workshop, "run", old))
    assert not (workshop / ".venv").exists()


def test_a_python_that_is_not_there_is_told(workshop):
    made = make(workshop, "lint", "PYTHON=no-such-python")
    assert "make PYTHON=python3.13 lint" in stop_line(made)


def test_a_folder_that_cannot_be_written_is_told(workshop):
    (workshop / ".venv").touch()  # a file in the folder's place: unwritable for root as well
    line = stop_line(make(workshop, "run", python(workshop, "exit 0")))
    assert line.startswith("Cannot write to")


def test_a_python_that_makes_no_environments_is_told(workshop):
    bare = python(workshop, 'case "$2" in *ensurepip*) exit 1;; esac')
    assert "install python3-venv" in stop_line(make(workshop, "run", bare))
    assert not (workshop / ".venv").exists()


@pytest.mark.parametrize("target", ["elsewhere", "nowhere"])
def test_an_environment_that_is_a_link_is_told(workshop, target):
    (workshop / "elsewhere").mkdir()
    (workshop / ".venv").symlink_to(workshop / target)
    line = stop_line(make(workshop, "run", python(workshop, "exit 0")))
    assert line.startswith(".venv is a link")
    assert list((workshop / "elsewhere").iterdir()) == []


def test_an_environment_without_pip_is_told(workshop):
    made = 'mkdir -p .venv/bin; printf "#!/bin/sh\\nexit 1\\n" > .venv/bin/python'
    bare = python(workshop, f'[ "$1" = -c ] || {{ {made}; chmod +x .venv/bin/python; }}')
    assert stop_line(make(workshop, "run", bare)).startswith(".venv has no pip: remove .venv")


def test_an_environment_that_cannot_be_made_is_told(workshop):
    broken = python(workshop, 'case "$1" in -c) exit 0;; *) echo no venv; exit 1;; esac')
    assert stop_line(make(workshop, "run", broken)).startswith("Cannot create .venv")
    assert "no venv" in (workshop / ".venv" / "install.log").read_text()


def test_an_install_that_fails_is_told_and_tried_again(workshop):
    pip = r'mkdir -p .venv/bin; printf "#!/bin/sh\n[ \$3 = --version ]\n" > .venv/bin/python'
    fails = python(workshop, f'[ "$1" = -c ] || {{ {pip}; chmod +x .venv/bin/python; }}')
    for _ in range(2):
        line = stop_line(make(workshop, "run", fails))
        assert line.startswith("Installing the packages failed")
    assert not (workshop / ".venv" / ".installed").exists()


def test_clean_leaves_the_readme_of_data(workshop):
    for name in (
        "helpers/__pycache__",
        "tests",
        "notebooks",
        "notebooks_py",
        "data/checkpoints",
        "tools",
    ):
        (workshop / name).mkdir(parents=True)
    for name in ("data/README.md", "data/shapes.npz", "helpers/__pycache__/a.pyc", "helpers/a.py"):
        (workshop / name).touch()
    assert make(workshop, "clean").returncode == 0
    left = {str(path.relative_to(workshop)) for path in workshop.rglob("*") if path.is_file()}
    assert left == {"Makefile", "requirements.txt", "data/README.md", "helpers/a.py"}


def test_address_rewrites_both_halves_and_drops_no_output(repository):
    (repository / "pyproject.toml").write_text(
        '[project.urls]\nRepository = "https://github.com/old/name"\n'
    )
    badge = "colab.research.google.com/github/old/name/blob"
    (repository / "README.md").write_text(README + badge + " https://old.github.io/name/")
    (repository / "CITATION.cff").write_text("repository-code: https://github.com/old/name\n")
    edit(repository, "N * 21", 'N * 21  # "https://github.com/old/name", not old/name-2')
    assert main(["run"], repository) == 0
    assert main(["address", "new.owner/latent_bits-2"], repository) == 0
    assert pair_problems(repository) == []
    assert "42" in (repository / "notebooks" / "01_tiny.ipynb").read_text()
    for name in ("notebooks/01_tiny.ipynb", "notebooks_py/01_tiny.py"):
        text = (repository / name).read_text()
        assert "github.com/new.owner/latent_bits-2" in text
        assert "not old/name-2" in text
    assert (
        badge.replace("old/name", "new.owner/latent_bits-2")
        in (repository / "README.md").read_text()
    )
    assert "https://new.owner.github.io/latent_bits-2/" in (repository / "README.md").read_text()
    assert "new.owner/latent_bits-2" in (repository / "CITATION.cff").read_text()
    assert main(["address", "old/name"], repository) == 0
    assert badge in (repository / "README.md").read_text()


@pytest.mark.parametrize("wrong", ["", "name", "https://github.com/owner/name", "owner/name/x"])
def test_address_refuses_what_is_no_owner_and_name(repository, capsys, wrong):
    assert main(["address", wrong], repository) == 1
    assert f"expected owner/name as on GitHub, got {wrong!r}" in capsys.readouterr().err


def test_a_merge_never_mixes_the_lines_of_an_ipynb(repository):
    (repository / ".gitattributes").write_bytes((ROOT / ".gitattributes").read_bytes())
    (repository / ".gitignore").write_text("data/\n")
    assert main(["run"], repository) == 0
    commit(repository)
    git(repository, "checkout", "--quiet", "-b", "theirs")
    edit(repository, "N * 21", "N * 22")
    assert main(["sync"], repository) == 0
    commit(repository)
    git(repository, "checkout", "--quiet", "-")
    edit(repository, "and a second line", "and another line")
    assert main(["sync"], repository) == 0
    commit(repository)
    with pytest.raises(subprocess.CalledProcessError):  # the .ipynb waits to be made anew
        git(repository, "merge", "--quiet", "theirs")
    assert git(repository, "diff", "--name-only", "--diff-filter=U").split() == [
        "notebooks/01_tiny.ipynb"
    ]
    assert main(["sync"], repository) == 0
    assert pair_problems(repository) == []
    merged = ipynb(repository).read_text()
    assert "N * 22" in merged
    assert "and another line" in merged
