#!/bin/bash
# sbatch workflows/slurm.sh corpus.zarr runs/human
# Two nodes of eight devices. SLURM tells the job two minutes before the end of its time; the job saves
# its state within seconds and is queued again, to go on where it was.
#SBATCH --job-name=sctabnet
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=8
#SBATCH --gres=gpu:8
#SBATCH --cpus-per-task=8
#SBATCH --time=24:00:00
#SBATCH --signal=TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append

corpus=$1
run=$2
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK TQDM_MININTERVAL=60
devices=(--trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE")

if [ -f "$run/recipe.yaml" ]; then
    srun --kill-on-bad-exit sctabnet pretrain --resume "$run" "${devices[@]}"
else
    srun --kill-on-bad-exit sctabnet pretrain "$corpus" --run "$run" "${devices[@]}" \
        --config "$(dirname "$0")/recipes/pretrain_human.yaml"
fi
# 143: stopped by the signal and saved
[ $? -eq 143 ] && scontrol requeue "$SLURM_JOB_ID"
