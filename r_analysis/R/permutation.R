PERMUTATIONS <- 10000
PERMUTATION_SEED <- 1153242

#' Patient-level sign-flip test of paired differences.
#'
#' Under the null hypothesis the two methods may be exchanged in any patient, so that the sum of a patient's differences
#' keeps or changes its sign with equal probability. Two-sided p value of the total, (1 + b) / (1 + m) for b of m drawn
#' flips that are at least as far from 0 (Phipson B, Smyth GK. Stat Appl Genet Mol Biol 2010;9:39).
#'
#' @param differences One number a lesion, such as 1 (only the first is right), 0 and -1.
#' @param patient_id Patient of each lesion.
#' @param permutations Number of drawn flips.
#' @param seed Seed as of [draw_in_streams()].
#' @return One number; NA without lesions.
compute_sign_flip <- function(differences, patient_id, permutations = PERMUTATIONS, seed = PERMUTATION_SEED) {
  if (length(differences) == 0) {
    return(NA_real_)
  }
  sums <- as.vector(rowsum(as.numeric(differences), patient_id))
  sums <- sums[sums != 0]
  if (length(sums) == 0) {
    return(1)
  }
  totals <- draw_in_streams(permutations, function(columns) {
    signs <- matrix(sample(c(-1, 1), length(sums) * columns, replace = TRUE), length(sums))
    t(crossprod(signs, sums))
  }, seed)
  # Sums that are equal but for rounding count as equally far.
  as_far <- sum(abs(totals) >= abs(sum(sums)) * (1 - 1e-9))
  (1 + as_far) / (1 + permutations)
}
