// All kernels of the CUDA back end: one module, one PTX. The files bear the names of their siblings in src/cpu.

#include "blas.cuh"
#include "cholesky.cuh"
#include "half.cuh"
#include "masks.cuh"
#include "matrix.cuh"
#include "patches.cuh"
#include "prox.cuh"
#include "training.cuh"
