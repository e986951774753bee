"""False discovery rate and power of certified genes where the truth is known.

    python workflows/benchmarks/importance_error_rates.py --runs 20

Simulated atlases with marker genes, unrelated genes and co-expressed nulls. The certificate at 0.1
beside Wilcoxon's test with Benjamini-Hochberg (and Bonferroni over types) on the same held-out
cells. Nulls that are co-expressed with something are no marginal nulls and count for neither.
With shuffled labels nothing may be certified.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import scanpy as sc

import sctabnet as sct
from sctabnet.data.simulate import simulate_atlas


def main() -> None:
    """Parse the arguments, run, print and write a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--out", default="workflows/benchmarks/results")
    options = parser.parse_args()
    sct.settings.progress_bar = False
    warnings.simplefilter("ignore")
    rows, certified = [], 0
    for shuffled in (False, True):
        for run in range(options.runs):
            atlas = simulate_atlas(1600, 400, n_markers=10, random_state=100 + run)
            if shuffled:
                rng = np.random.default_rng(run)
                atlas.obs["cell_type"] = rng.permutation(atlas.obs["cell_type"].astype(str))
            atlas.obs["type"] = atlas.obs["cell_type"].astype(str).astype("category")
            cells = np.random.default_rng(0).permutation(atlas.n_obs)
            reference, held_out = atlas[cells[:800]].copy(), atlas[cells[800:]].copy()
            model = sct.finetune(reference, labels_key="type", batch_key="batch", seed=run)
            sct.tl.gene_importance(held_out, model, "type", method="contribution", certify=True)
            found = (held_out.var["sctabnet_importance_qvalue"] <= 0.1).to_numpy()
            if shuffled:
                certified += int(found.any())
                continue
            # a co-expressed null is no marginal null: it counts for neither method
            marker = atlas.var["is_marker"].to_numpy()
            counted = marker | (atlas.var["program"].to_numpy() < 0)
            pvalues = anndata.AnnData(held_out.X.astype(np.float32), held_out.obs, held_out.var)
            sc.pp.normalize_total(pvalues, target_sum=1e4)
            sc.pp.log1p(pvalues)
            sc.tl.rank_genes_groups(pvalues, "type", method="wilcoxon", tie_correct=True)
            adjusted = pd.DataFrame(
                {
                    name: sc.get.rank_genes_groups_df(pvalues, name).set_index("names")["pvals_adj"]
                    for name in pvalues.obs["type"].cat.categories
                }
            ).reindex(atlas.var_names)
            tested = (adjusted.min(1) * adjusted.shape[1] <= 0.1).to_numpy()
            for arm, called in (("sctabnet", found), ("Wilcoxon + BH", tested)):
                rows.append(
                    {
                        "arm": arm,
                        "FDP": (called & counted & ~marker).sum()
                        / max((called & counted).sum(), 1),
                        "power": called[marker].mean(),
                    }
                )
            print(run, rows[-2:], flush=True)
    table = pd.DataFrame(rows)
    lines = ["| arm | FDP | standard error | power | standard error |", "|---|---|---|---|---|"]
    for arm, of in table.groupby("arm"):
        mean, se = of[["FDP", "power"]].mean(), of[["FDP", "power"]].sem()
        lines.append(
            f"| {arm} | {mean['FDP']:.3f} | {se['FDP']:.3f} | {mean['power']:.3f} "
            f"| {se['power']:.3f} |"
        )
    lines += ["", f"Shuffled labels: any gene certified in {certified} of {options.runs} runs."]
    text = "\n".join(lines)
    print(text)
    stem = f"{time.strftime('%Y-%m-%d')}_importance_error_rates"
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    table.to_csv(out / f"{stem}.csv", index=False)
    (out / f"{stem}.md").write_text(f"# {stem}\n\n{text}\n")


if __name__ == "__main__":
    main()
