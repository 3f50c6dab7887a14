"""Settings as a page of the documentation has them, so that what it says is what is run."""
import pathlib, re

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent.parent / 'docs/how-to'


def block(page, kind, number, replacements):
    """Returns a block of a page, counted from 0 among those of its kind; each text to replace must be in it."""
    found = re.findall(rf'^```{kind}\n(.*?)^```$', (FOLDER / page).read_text(), re.M | re.S)[number]
    for old, new in replacements.items():
        assert old in found, f'{page} does not say {old!r} any more'
        found = found.replace(old, new)
    return found
