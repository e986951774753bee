"""Where a recipe lies."""

from __future__ import annotations

from pathlib import Path

from sctabnet._errors import MissingFileError

_ROOTS = (
    Path(__file__).resolve().parents[1] / "recipes",  # in an installed package
    Path(__file__).resolve().parents[2] / "workflows" / "recipes",  # in a checkout
)


def recipe_path(recipe: str) -> str:
    """Return the file of a recipe.

    Parameters
    ----------
    recipe
        Path of a file, or name of a recipe that comes with sctabnet (``"pretrain_human"``).

    Raises
    ------
    FileNotFoundError
        If there is neither; the recipes that come with sctabnet are listed.
    """
    if Path(recipe).is_file():
        return recipe
    for root in _ROOTS:
        if (root / f"{recipe}.yaml").is_file():
            return str(root / f"{recipe}.yaml")
    known = sorted({file.stem for root in _ROOTS for file in root.glob("*.yaml")})
    raise MissingFileError(
        f"There is no recipe {recipe!r}. Found: {known}. Pass one of these, or the path of a file."
    )
