"""Keyword models from recordings."""

import os

# Before numpy is imported: each process that makes streams multiplies small matrices, and a BLAS with a thread for
# every core in each of them would make them wait for one another: twice the time on two cores.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
