"""Download a file, and go on where an interrupted download stopped."""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from sctabnet._errors import InputError
from sctabnet._settings import settings

_BLOCK = 1 << 20


class ResumingDownload:
    """A downloader for pooch that keeps the bytes it has in a file of their own.

    Parameters
    ----------
    part
        Where to keep them.
    resume
        Ask the server for the missing bytes only; a server that cannot sends all. Only for a file
        whose digest is known: nothing else tells that both parts are of the same file.
    """

    def __init__(self, part: Path, *, resume: bool) -> None:
        self._part, self._resume = part, resume

    def __call__(self, url: str, output_file: Any, _: Any) -> None:
        """Write what is at ``url`` to ``output_file``.

        Raises
        ------
        ValueError
            If the server cannot be reached, or stops in the middle; what came is kept.
        """
        part = self._part
        have = part.stat().st_size if self._resume and part.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        try:
            request = urllib.request.Request(url, headers=headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                have = have if answer.status == 206 else 0
                self._copy(answer, part, have)
        except urllib.error.HTTPError as error:
            if error.code != 416:  # all bytes are there already: the digest is checked next
                raise self._failed(url, part, error) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(url, part, error) from error
        shutil.move(part, os.fspath(output_file))

    def _copy(self, answer: Any, part: Path, have: int) -> None:
        rest = answer.headers.get("Content-Length")
        total = None if rest is None else have + int(rest)
        bar = tqdm(
            total=total, initial=have, desc=part.stem, unit="B", unit_scale=True,
            disable=not settings.progress_bar,
        )  # fmt: skip
        with bar, part.open("ab" if have else "wb") as file:
            while block := answer.read(_BLOCK):
                file.write(block)
                bar.update(len(block))
        if total is not None and part.stat().st_size < total:
            raise OSError(f"the connection ended after {part.stat().st_size:,} of {total:,} bytes")

    def _failed(self, url: str, part: Path, error: Exception) -> InputError:
        kept = part.stat().st_size if part.exists() else 0
        again = "the next attempt goes on from there" if self._resume else "the next starts anew"
        return InputError(
            f"{url} could not be fetched. Found: {error}. {kept:,} bytes are kept and {again}. "
            "Try again, or fetch the file by hand and give its path."
        )
