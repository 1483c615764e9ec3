#' What two printed accuracies of the same lesions support, over every way in which they can overlap.
#'
#' The article prints how many lesions each method is right about, not how many both are. With k1 and k2 right of n,
#' the lesions that only the second is right about can be 0 to min(k2, n - k1), and the discordant ones follow. For each
#' possibility: McNemar's exact p, and the limits of the paired difference ([compute_paired_newcombe()]).
#'
#' @param first,second Lesions that the methods are right about.
#' @param n Lesions.
#' @param margin Difference that the claim says is exceeded; below 0 for a claim of not being worse.
#' @return Data frame of one row: `difference`, `p_low`, `p_high` (bounds over all possibilities), `low_min`, `low_max`
#'   (bounds of the lower 95 % limit), `high_min`, `high_max`, and `support`: `supported` (every possibility has the
#'   lower limit above the margin and, where it is 0, p below 0.05), `contradicted` (every one has the upper limit below
#'   0), `not supported` (none is supported), else `undetermined`.
compute_paper_support <- function(first, second, n, margin = 0) {
  only_second <- seq(max(0, second - first), min(second, n - first))
  only_first <- only_second + first - second
  p <- compute_mcnemar(only_first, only_second)
  limits <- compute_paired_newcombe(only_first, only_second, first - only_first, n)
  holds <- limits$low > margin & (margin != 0 | (p < 0.05 & first > second))
  against <- limits$high < 0 & p < 0.05
  support <- if (all(holds)) {
    "supported"
  } else if (all(against)) {
    "contradicted"
  } else if (!any(holds)) {
    "not supported"
  } else {
    "undetermined"
  }
  data.frame(
    difference = (first - second) / n, p_low = min(p), p_high = max(p), low_min = min(limits$low),
    low_max = max(limits$low), high_min = min(limits$high), high_max = max(limits$high), support = support
  )
}

#' 95 % limits of the difference of two paired proportions.
#'
#' Newcombe RG. Stat Med 1998;17:2635-2650, method 10: the two Wilson intervals, joined with the correlation of the
#' pairs (phi, with the continuity correction where the product difference is positive).
#'
#' @param only_first,only_second,both Lesions that the first alone, the second alone, and both are right about.
#' @param n Lesions.
#' @return Data frame `difference`, `low`, `high`, one row an element.
compute_paired_newcombe <- function(only_first, only_second, both, n) {
  neither <- n - both - only_first - only_second
  first <- (both + only_first) / n
  second <- (both + only_second) / n
  wilson_first <- compute_wilson_interval(first, n)
  wilson_second <- compute_wilson_interval(second, n)
  product <- both * neither - only_first * only_second
  corrected <- ifelse(product > n / 2, product - n / 2, ifelse(product >= 0, 0, product))
  margins <- (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
  phi <- ifelse(margins == 0, 0, corrected / sqrt(margins))
  join <- function(a, b) sqrt(pmax(0, a^2 - 2 * phi * a * b + b^2))
  difference <- first - second
  data.frame(
    difference = difference,
    low = difference - join(first - wilson_first$low, wilson_second$high - second),
    high = difference + join(wilson_first$high - first, second - wilson_second$low)
  )
}

#' Lesions behind a printed accuracy at the inferred n: the nearest whole number.
#'
#' @param paper Data frame as of [read_paper_results()].
#' @param variant Its name.
#' @return Data frame `correct`, `n`; no row if the article prints no accuracy of it.
find_printed_correct <- function(paper, variant) {
  row <- paper[paper$quantity == "LI-RADS accuracy" & paper$level == variant & !is.na(paper$number), ]
  data.frame(correct = round(row$number / 100 * row$n), n = row$n)
}
