SIZE_STRATA <- c("< 10 mm", "10-19 mm", "\u2265 20 mm")

#' Size stratum of a diameter; the strata of LI-RADS v2018, [0, 10), [10, 20) and 20 mm or more.
#'
#' @param diameter_mm Numeric vector.
#' @return Ordered factor with the levels `SIZE_STRATA`.
cut_size <- function(diameter_mm) {
  cut(as.numeric(diameter_mm), c(0, 10, 20, Inf), labels = SIZE_STRATA, right = FALSE, ordered_result = TRUE)
}
