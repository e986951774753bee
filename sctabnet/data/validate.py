from __future__ import annotations

from tqdm import tqdm

from sctabnet.data.corpus import Corpus
from sctabnet.data.corpus_report import CorpusReport
from sctabnet.data.scan import Scan


def validate(corpus: Corpus, *, progress: bool = False, verb: str = "validate") -> CorpusReport:
    """Read every value of a corpus and tell what it holds.

    Parameters
    ----------
    corpus
        An opened corpus; with ``labels_key`` its classes are counted.
    progress
        Show a progress bar.
    verb
        The bar's name.

    Returns
    -------
    CorpusReport
        Cells, genes matched and missing per file, kind of values, label counts.

    Raises
    ------
    ValueError
        If a value is negative, infinite or no number, if a count is no whole number, or if a file
        is damaged. The message names file and row.
    """
    scan = Scan(corpus)
    with tqdm(total=corpus.n_cells, unit="cell", desc=verb, disable=not progress) as bar:
        for minibatch in scan:
            bar.update(len(minibatch))
    return scan.report()
