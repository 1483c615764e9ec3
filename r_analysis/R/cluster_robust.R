#' Whether a logistic regression on one covariate is separated.
#'
#' A cut of the covariate divides the outcomes, with both at most at the cut itself; the likelihood then has no maximum.
#' With one covariate this condition is exact (Albert A, Anderson JA. Biometrika 1984;71:1-10).
#'
#' @param x Numeric vector.
#' @param outcome 0/1.
#' @return Logical; TRUE also where all outcomes agree.
is_separated <- function(x, outcome) {
  if (length(unique(outcome)) < 2) {
    return(TRUE)
  }
  present <- range(x[outcome == 1])
  absent <- range(x[outcome == 0])
  present[1] >= absent[2] || absent[1] >= present[2]
}

#' Logistic regression on one covariate with standard errors that respect the patient.
#'
#' CR2 sandwich errors with Satterthwaite's degrees of freedom (Pustejovsky JE, Tipton E. J Bus Econ Stat
#' 2018;36:672-683; package clubSandwich). Where the outcomes are separated the fit is bias-reduced (Firth D. Biometrika
#' 1993;80:27-38; package brglm2), which is always finite.
#'
#' @param x Numeric vector.
#' @param outcome 0/1, both present.
#' @param patient_id Patient of each lesion, at least two.
#' @return List of `fit`, `vcov`, `coefficients` (data frame `estimate`, `low`, `high`, `df`, `p`: intercept and slope)
#'   and `method` ("logistic regression" or "bias-reduced logistic regression").
fit_cluster_robust <- function(x, outcome, patient_id) {
  data <- data.frame(x = x, outcome = as.numeric(outcome))
  separated <- is_separated(x, outcome)
  fit <- if (separated) {
    stats::glm(outcome ~ x, stats::binomial(), data, method = brglm2::brglmFit)
  } else {
    # A lesion that is far out may have a probability of 1 in double precision; the fit is finite all the same.
    withCallingHandlers(stats::glm(outcome ~ x, stats::binomial(), data), warning = function(warning) {
      if (grepl("numerically 0 or 1", conditionMessage(warning))) invokeRestart("muffleWarning")
    })
  }
  vcov <- clubSandwich::vcovCR(fit, cluster = factor(patient_id), type = "CR2")
  interval <- as.data.frame(clubSandwich::conf_int(fit, vcov, test = "Satterthwaite"))
  estimate <- unname(stats::coef(fit))
  statistic <- abs(estimate) / interval$SE
  list(
    fit = fit, vcov = vcov,
    coefficients = data.frame(
      estimate = estimate, low = interval$CI_L, high = interval$CI_U, df = interval$df,
      p = 2 * stats::pt(statistic, interval$df, lower.tail = FALSE)
    ),
    method = if (separated) "bias-reduced logistic regression" else "logistic regression"
  )
}

#' Fitted probabilities with limits that respect the patient, point by point.
#'
#' @param model List as of [fit_cluster_robust()].
#' @param x Where to evaluate.
#' @return Data frame `x`, `value`, `low`, `high`; the degrees of freedom are the fewer of intercept's and slope's.
predict_cluster_robust <- function(model, x) {
  design <- cbind(1, x)
  centre <- as.vector(design %*% model$coefficients$estimate)
  half <- stats::qt(0.975, min(model$coefficients$df)) * sqrt(rowSums((design %*% as.matrix(model$vcov)) * design))
  data.frame(
    x = x, value = stats::plogis(centre), low = stats::plogis(centre - half), high = stats::plogis(centre + half)
  )
}
