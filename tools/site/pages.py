"""The HTML: every notebook as a page with its own outputs, the index from README's text."""

import hashlib
import html
import re
import shutil
import subprocess
import tarfile
import tempfile
import tomllib
from pathlib import Path
from string import Template

from nbconvert import HTMLExporter
from nbconvert.filters import markdown2html
from pygments.formatters import HtmlFormatter

from helpers.files import ROOT, output_folder, write_atomically
from tools.pairs import CommandError, read_ipynb

ASSETS = Path(__file__).with_name("assets")
MATHJAX, SCRIPT = "3.2.2", "tex-svg-full.js"  # one file: letters are drawn, no font is fetched
MATHJAX_SHA256 = "a4354ff94fd868aea0cc6eaaa79a57fda0588646fc46ee3700a349ee0a11cbe6"
MATHJAX_CDN = f"https://cdn.jsdelivr.net/npm/mathjax@{MATHJAX}/es5/{SCRIPT}"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
BADGE = re.compile(r"\[!\[Open in Colab\]\([^)]*\)\]\(([^)]*)\)")
END = "<!-- /site -->"  # README's mark: what is above it is the index
EXPLORER_TITLE = "Explorer: drag through the latent space of an AE and a VAE — Latent Bits"
EXPLORER_DESCRIPTION = (
    "Decode in the browser, side by side: an autoencoder and a variational autoencoder of a world "
    "of 8,192 shapes. Drag in any plane of their latent spaces and see which one leaves the world."
)


def _fetch_mathjax(path):
    """Fetch MathJax by npm to `path`; say so and return False where that does not work."""
    if not (npm := shutil.which("npm")):
        print(f"No npm here to fetch MathJax with: the pages will load it from {MATHJAX_CDN}.")
        return False
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, "pack", "--silent", f"mathjax@{MATHJAX}"]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if packed.returncode:
            reason = (packed.stderr.strip().splitlines() or ["no reason given"])[-1]
            print(f"npm could not fetch MathJax ({reason}): the pages will load it from "
                  f"{MATHJAX_CDN}.")  # fmt: skip
            return False
        with tarfile.open(Path(folder) / f"mathjax-{MATHJAX}.tgz") as archive:
            script = archive.extractfile(f"package/es5/{SCRIPT}").read()
    if hashlib.sha256(script).hexdigest() != MATHJAX_SHA256:
        raise CommandError(f"npm's {SCRIPT} of MathJax {MATHJAX} is not the one expected by its "
                           "SHA-256: look at the registry that npm is set to.")  # fmt: skip
    write_atomically(path, script)
    return True


def _mathjax(folder):
    """MathJax's address for the pages: a copy beside them if it can be had, else the CDN's."""
    stored = output_folder("data") / f"mathjax-{MATHJAX}" / SCRIPT
    if not stored.exists() and not _fetch_mathjax(stored):
        return MATHJAX_CDN
    shutil.copyfile(stored, folder / SCRIPT)
    return SCRIPT


def _plain_tex(tex):
    for mark, text in ((r"\cdot", "·"), (r"\sim", "~"), (r"\,", " "), (r"\mathcal ", "")):
        tex = tex.replace(mark, text)
    return re.sub(r"[{}\\]", "", tex)


def _plain(markdown):
    """A line of text without Markdown's and TeX's marks."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", markdown)
    text = re.sub(r"\$([^$]*)\$", lambda tex: _plain_tex(tex[1]), text)
    return re.sub(r"\s+", " ", re.sub(r"[*`]", "", text)).strip()


def _title_and_description(notebook, name):
    source = next((cell.source for cell in notebook.cells if cell.cell_type == "markdown"), "")
    heading, *paragraphs = source.split("\n\n")
    if not heading.startswith("# "):
        raise CommandError(f"{name}: its first cell does not open with a title, '# ...'.")
    prose = [p for p in paragraphs if not BADGE.match(p)]
    # The question, unless it is too short to be understood on its own.
    asked = [p for p in prose if p.startswith("**The question:**") and len(p) > 100] or prose
    description = _plain(asked[0]).removeprefix("The question: ") if asked else ""
    description = description[:1].upper() + description[1:]
    if len(description) > 300:
        description = description[:300].rsplit(" ", 1)[0] + " …"
    return _plain(heading[2:]), description


def _prepare(notebook):
    """Give folded cells what is shown in their place; badges, which are pictures, become links."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = BADGE.sub(r"[Open in Colab](\1)", cell.source)
        hidden = cell.metadata.get("jupyter", {}).get("source_hidden")
        title = re.match("# @title (.*)", cell.source)
        cell.metadata.folded = hidden and html.escape(title[1] if title else "Code")


def _contents(body):
    """The page's sections, linked."""
    sections = re.findall(r'<h2 id="([^"]*)">(.*?)<a class="anchor-link"', body, re.S)
    links = "".join(f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in sections)
    return f'<details class="contents"><summary>Contents</summary><ul>{links}</ul></details>'


def _index(readme):
    """The index's title, description and HTML."""
    above, mark, _ = readme.partition(END)
    if not mark:
        raise CommandError(f"README.md lacks the mark {END}: what is above it is the site's index.")
    above = re.sub(r"\(notebooks/(\w+)\.ipynb\)", r"(\1.html)", BADGE.sub("", above))
    owner, name = REPOSITORY.split("/")[-2:]
    above = above.replace(f"(https://{owner}.github.io/{name}/", "(").replace("()", "(index.html)")
    title, first = above.split("\n\n")[:2]
    return _plain(title[2:]), _plain(first), markdown2html(above)


def write_pages(folder, root, readme):
    """Write the pages, figures, style and the explorer's page into a new `folder`.

    root: of the repository; readme: README's text with its numbers filled in. Raises CommandError
    where there is no notebook, or what the index is made of is missing.
    """
    paths = sorted(root.glob("notebooks/*.ipynb"))
    if not paths:
        raise CommandError(f"No notebook is in {root / 'notebooks'}: `make run` makes them.")
    folder.mkdir()
    shutil.copytree(root / "figures", folder / "figures", ignore=shutil.ignore_patterns("*.json"))
    scripts = (ASSETS / "notebook.html").read_text("utf-8")
    scripts = scripts.replace("MATHJAX_ADDRESS", _mathjax(folder))
    exporter = HTMLExporter(raw_template=(ASSETS / "notebook.j2").read_text("utf-8"))
    exporter.exclude_input_prompt = exporter.exclude_output_prompt = True
    title, description, body = _index(readme)
    pages = {"index": (title, description, body, "")}
    for path in paths:
        notebook = read_ipynb(path)
        title, description = _title_and_description(notebook, path.name)
        _prepare(notebook)
        body, _ = exporter.from_notebook_node(notebook)
        body = f"{_contents(body)}\n<article>\n{body}\n</article>"
        pages[path.stem] = (f"{title} — Latent Bits", description, body, scripts)
    explorer = (ASSETS / "explorer.html").read_text("utf-8")
    pages["explorer"] = (EXPLORER_TITLE, EXPLORER_DESCRIPTION, explorer, "")
    page = Template((ASSETS / "page.html").read_text("utf-8"))
    links = [f'<a href="{name}.html">{html.escape(re.split(": | — ", title)[0])}</a>'
             for name, (title, *_) in pages.items()]  # fmt: skip
    navigation = "\n".join([links[0], links[-1], *links[1:-1]])
    for i, (name, (title, description, body, scripts)) in enumerate(pages.items()):
        if scripts:  # a notebook, between the index and the explorer
            body += f'<nav class="turn" aria-label="Pages">{links[i - 1]}{links[i + 1]}</nav>'
        text = page.substitute(
            title=html.escape(title), description=html.escape(description), scripts=scripts,
            kind="notebook" if scripts else name, body=body, repository=REPOSITORY,
            navigation=navigation.replace(f'"{name}.html"', f'"{name}.html" aria-current="page"'),
        )  # fmt: skip
        (folder / f"{name}.html").write_text(text, "utf-8")
    shutil.copyfile(ASSETS / "explorer.js", folder / "explorer.js")
    dark = HtmlFormatter(style="github-dark").get_style_defs(".highlight")
    code = HtmlFormatter(style="default").get_style_defs(".highlight")
    style = (ASSETS / "style.css").read_text("utf-8")
    style += f"{code}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
    (folder / "style.css").write_text(style, "utf-8")
