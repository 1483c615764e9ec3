#' Wilson score interval of a proportion.
#'
#' Wilson EB. J Am Stat Assoc 1927;22:209-212. `trials` need not be whole: an effective number of trials is allowed.
#'
#' @param proportion Observed proportion in the interval from 0 to 1, NA allowed.
#' @param trials Number of trials, greater than 0.
#' @param level Confidence level.
#' @return Data frame with columns `low` and `high`, one row a proportion.
compute_wilson_interval <- function(proportion, trials, level = 0.95) {
  z <- stats::qnorm((1 + level) / 2)
  centre <- (proportion + z^2 / (2 * trials)) / (1 + z^2 / trials)
  half <- z / (1 + z^2 / trials) * sqrt(proportion * (1 - proportion) / trials + z^2 / (4 * trials^2))
  # At 0 and 1 the limit is exact; the formula misses it by a rounding error.
  data.frame(
    low = ifelse(proportion == 0, 0, pmax(0, centre - half)),
    high = ifelse(proportion == 1, 1, pmin(1, centre + half))
  )
}

#' Design effect of a proportion over lesions that come in patients.
#'
#' Ratio of the between-patient (linearised) variance of the ratio estimate to the binomial variance: Rao JNK, Scott
#' AJ. Biometrics 1992;48:577-585. Never below 1, so that clustering cannot narrow an interval. Where all lesions
#' agree the ratio is undefined, and the design effect of completely dependent lesions, sum(m^2) / sum(m), is used.
#'
#' @param success Logical or 0/1, one a lesion.
#' @param patient_id Patient of each lesion.
#' @return One number, at least 1; NA without lesions.
compute_design_effect <- function(success, patient_id) {
  if (length(success) == 0) {
    return(NA_real_)
  }
  lesions <- as.vector(rowsum(rep(1, length(success)), patient_id))
  successes <- as.vector(rowsum(as.numeric(success), patient_id))
  patients <- length(lesions)
  proportion <- sum(successes) / sum(lesions)
  if (proportion %in% c(0, 1) || patients == 1) {
    return(sum(lesions^2) / sum(lesions))
  }
  clustered <- patients / (patients - 1) * sum((successes - proportion * lesions)^2) / sum(lesions)^2
  max(1, clustered / (proportion * (1 - proportion) / sum(lesions)))
}

#' Proportion of lesions with an interval that respects the patient: Wilson with n divided by the design effect.
#'
#' @param success Logical or 0/1, one a lesion.
#' @param patient_id Patient of each lesion.
#' @param level Confidence level.
#' @return Data frame of one row: `patients`, `n`, `successes`, `proportion`, `low`, `high`, `design_effect`,
#'   `n_effective`.
compute_clustered_proportion <- function(success, patient_id, level = 0.95) {
  n <- length(success)
  design_effect <- compute_design_effect(success, patient_id)
  proportion <- if (n == 0) NA_real_ else mean(success)
  interval <- compute_wilson_interval(proportion, n / design_effect, level)
  data.frame(
    patients = length(unique(patient_id)), n = n, successes = sum(success), proportion = proportion, low = interval$low,
    high = interval$high, design_effect = design_effect, n_effective = n / design_effect
  )
}

#' Interval of the difference of two independent proportions from their Wilson intervals.
#'
#' Newcombe RG. Stat Med 1998;17:873-890, method 10 (hybrid score).
#'
#' @param ours,paper Proportions.
#' @param n_ours,n_paper Numbers of trials (effective numbers allowed).
#' @param level Confidence level.
#' @return Data frame with columns `difference` (ours - paper), `low`, `high`.
compute_proportion_difference <- function(ours, n_ours, paper, n_paper, level = 0.95) {
  wilson_ours <- compute_wilson_interval(ours, n_ours, level)
  wilson_paper <- compute_wilson_interval(paper, n_paper, level)
  difference <- ours - paper
  data.frame(
    difference = difference,
    low = difference - sqrt((ours - wilson_ours$low)^2 + (wilson_paper$high - paper)^2),
    high = difference + sqrt((wilson_ours$high - ours)^2 + (paper - wilson_paper$low)^2)
  )
}
