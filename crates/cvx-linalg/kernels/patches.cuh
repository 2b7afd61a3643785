// Features of patches. The products of patches with gates and values between the two kernels are cuBLAS's.

#pragma once
#include "common.cuh"
#include "half.cuh"

// A normalised patch in each column of `out`, `pixels` numbers and a 1, for `places` patches of each of `images`
// images. `starts` are the first row and column of each patch; with `mirrored`, columns are read from the right. A
// thread does a patch.
KERNEL(patch_columns, u64 images, u64 places, u64 pixels, u64 height, u64 width, u64 side, u64 image_pixels,
       u32 mirrored, double contrast, const u64 *starts, const double *all, double *out) {
    for (u64 at = first_index(); at < images * places; at += index_step()) {
        const double *image = all + at / places * image_pixels;
        const u64 *start = starts + 2 * (at % places);
        double *patch = out + at * (pixels + 1);
        double mean = 0.0, variance = 0.0;
        for (u64 k = 0; k < pixels; k++) {
            u64 line = k / side, column = mirrored ? side - 1 - k % side : k % side;
            u64 channel = line / side, row = start[0] + line % side;
            patch[k] = image[(channel * height + row) * width + start[1] + column];
            mean += patch[k];
        }
        mean /= pixels;
        for (u64 k = 0; k < pixels; k++) variance += (patch[k] - mean) * (patch[k] - mean);
        double scale = sqrt(variance / pixels + contrast * contrast);
        double factor = scale > 0.0 ? 1.0 / scale : 0.0;
        for (u64 k = 0; k < pixels; k++) patch[k] = (patch[k] - mean) * factor;
        patch[pixels] = 1.0;
    }
}

// The features of `images` images from the products of their patches, values before gates, and from those of their
// mirror images. `regions` are those of the patches, then those of their mirror images; ~0 where there is none.
template <typename T>
__device__ void patch_sums(u64 features, u64 images, u64 places, u64 values, u64 gates, u64 squares, double scale,
                           u32 half, const u64 *regions, const double *straight, const double *mirrored, T *out) {
    FOR_EACH_ENTRY(features, images, 1) {
        u64 gate = row / (squares * values), region = row / values % squares, value = row % values;
        double sum = 0.0;
        for (u64 side = 0; side < 2; side++) {
            const double *products = (side ? mirrored : straight) + pattern * places * (values + gates);
            for (u64 k = 0; k < places; k++, products += values + gates)
                if (regions[side * places + k] == region && products[values + gate] >= 0.0) sum += products[value];
        }
        // The precision is that of the definition, not of the storage.
        float single = (float)(sum * scale);
        out[pattern * features + row] = (T)(half ? from_half(to_half(single)) : single);
    }
}

#define DEFINE(suffix, T)                                                                                              \
    KERNEL(patch_sums_##suffix, u64 features, u64 images, u64 places, u64 values, u64 gates, u64 squares,              \
           double scale, u32 half, const u64 *regions, const double *straight, const double *mirrored, T *out) {       \
        patch_sums(features, images, places, values, gates, squares, scale, half, regions, straight, mirrored, out);   \
    }
FOR_BOTH(DEFINE)
#undef DEFINE
