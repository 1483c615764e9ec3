#' Diameter to which the intercept of the detection model belongs.
REFERENCE_DIAMETER_MM <- 20

#' Detection of a reference lesion as a function of its diameter, at each fold's chosen threshold.
#'
#' Primary: logistic regression on log2(diameter / 20 mm) as of [fit_cluster_robust()]. Sensitivity: the same with a
#' random intercept for each patient (package lme4, adaptive quadrature with 15 points), whose odds ratio is conditional
#' on the patient and so larger by nature.
#'
#' @param detection Data frame as lesion_detection.csv.
#' @param fold_thresholds Data frame `fold`, `threshold_chosen`.
#' @return List of `table` (data frame `model`, `patients`, `n`, `detected`, `odds_ratio` per doubling of the diameter,
#'   `low`, `high`, `df`, `p`, `note`), `curve` (data frame `diameter_mm`, `value`, `low`, `high`), `strata` (as
#'   [place_strata()]) and `note`; table and curve have no row where there is nothing to model, and `note`
#'   says why.
compute_detection_model <- function(detection, fold_thresholds) {
  rows <- select_at_chosen(detection[detection$kind == "reference", ], fold_thresholds)
  note <- if (nrow(rows) == 0) {
    "the results have no lesion at the thresholds that the folds chose"
  } else if (length(unique(rows$matched)) < 2) {
    paste(if (rows$matched[1] == 1) "every" else "no", "reference lesion is detected")
  } else if (length(unique(rows$patient_id)) < 3 || length(unique(rows$diameter_mm)) < 3) {
    "there are too few patients or diameters"
  }
  if (!is.null(note)) {
    return(list(table = data.frame(), curve = data.frame(), strata = data.frame(), note = note))
  }
  doublings <- log2(rows$diameter_mm / REFERENCE_DIAMETER_MM)
  model <- fit_cluster_robust(doublings, rows$matched, rows$patient_id)
  slope <- model$coefficients[2, ]
  counts <- data.frame(
    patients = length(unique(rows$patient_id)), n = nrow(rows), detected = sum(rows$matched)
  )
  primary <- data.frame(
    model = paste0(model$method, ", CR2"), counts, odds_ratio = exp(slope$estimate), low = exp(slope$low),
    high = exp(slope$high), df = slope$df, p = slope$p,
    note = if (startsWith(model$method, "bias")) "diameters separate detected from missed lesions" else ""
  )
  grid <- seq(min(doublings), max(doublings), length.out = 81)
  curve <- predict_cluster_robust(model, grid)
  list(
    table = rbind(primary, fit_mixed_detection(doublings, rows, counts)),
    curve = data.frame(diameter_mm = REFERENCE_DIAMETER_MM * 2^grid, curve[c("value", "low", "high")]),
    strata = place_strata(compute_recall_by_size(detection, fold_thresholds), rows$diameter_mm), note = ""
  )
}

#' Adds to each size stratum the geometric mean of its lesions' diameters, where it is drawn.
#'
#' @param strata Data frame as of [compute_recall_by_size()].
#' @param diameter_mm Diameters of all lesions.
#' @return The data frame with `diameter_mm`.
place_strata <- function(strata, diameter_mm) {
  means <- exp(tapply(log(diameter_mm), cut_size(diameter_mm), mean))
  strata$diameter_mm <- as.vector(means[as.character(strata$size)])
  strata
}

#' The detection model with a random intercept for each patient.
#'
#' @param doublings log2(diameter / 20 mm).
#' @param rows Data frame `matched`, `patient_id`.
#' @param counts Data frame of one row: `patients`, `n`, `detected`.
#' @return One row as in [compute_detection_model()]; without numbers, and with a note, where it cannot be fitted.
fit_mixed_detection <- function(doublings, rows, counts) {
  data <- data.frame(x = doublings, outcome = rows$matched, patient_id = factor(rows$patient_id))
  notes <- character()
  fit <- tryCatch(
    withCallingHandlers(
      lme4::glmer(outcome ~ x + (1 | patient_id), data, stats::binomial(), nAGQ = 15),
      warning = function(warning) {
        notes <<- c(notes, "the optimiser warned")
        invokeRestart("muffleWarning")
      },
      message = function(message) invokeRestart("muffleMessage")
    ),
    error = function(error) NULL
  )
  separated <- is_separated(doublings, rows$matched)
  empty <- data.frame(
    model = "mixed model", counts, odds_ratio = NA_real_, low = NA_real_, high = NA_real_, df = NA_real_,
    p = NA_real_, note = ""
  )
  if (is.null(fit) || separated) {
    empty$note <- if (separated) "not fitted: the outcomes are separated" else "not fitted"
    return(empty)
  }
  estimate <- lme4::fixef(fit)[["x"]]
  se <- sqrt(as.matrix(stats::vcov(fit))[2, 2])
  spread <- sqrt(as.numeric(lme4::VarCorr(fit)$patient_id))
  if (lme4::isSingular(fit)) notes <- c(notes, "no variation between patients was found")
  empty[c("odds_ratio", "low", "high", "p")] <- c(
    exp(estimate + c(0, -1, 1) * stats::qnorm(0.975) * se), 2 * stats::pnorm(abs(estimate / se), lower.tail = FALSE)
  )
  empty$note <- paste(c(sprintf("SD between patients %.3g on the log odds", spread), unique(notes)), collapse = "; ")
  empty
}
