#' The run in one line: cohort, profile, commit, duration.
#'
#' @param analysis List as of [run_analysis()].
#' @return String.
describe_run <- function(analysis) {
  fact <- function(key) get_fact(analysis, key)
  commit <- fact("commit")
  durations <- analysis$results$durations
  paste0(
    "Cohort: ", analysis$label, ". Profile: ", fact("profile"), ". Commit: ",
    if (is.na(commit)) "not recorded" else commit,
    if (identical(fact("dirty"), "1")) " with changes that are not in it", ". Duration: ",
    if (is.null(durations)) "not recorded" else paste(format_number(sum(durations$seconds) / 60, 1), "minutes"), "."
  )
}

#' Every claim with its verdict.
#' @param claims Data frame as of [compute_claims()].
tabulate_claims <- function(claims) {
  first <- !duplicated(claims$claim)
  table <- new_report_table(
    "The article's claims, by rule. Effect: ours, with its 95 % interval. p: Holm-adjusted, for the named contrasts.",
    Claim = ifelse(first, claims$claim, ""), Part = claims$part, Verdict = keep_together(claims$verdict),
    Effect = format_estimate(claims$effect, claims$low, claims$high), `Effect is` = claims$effect_name,
    p = format_p(claims$p_holm), Note = claims$note
  )
  c(table, wrap = TRUE)
}

#' What the article's own numbers support of its claims.
#' @param claims Data frame `claim`, `part`, `paper`, `paper_support` as of [compute_claims()].
tabulate_paper_support <- function(claims) {
  first <- !duplicated(claims$claim)
  table <- new_report_table(
    "What the article's own numbers support.",
    Claim = ifelse(first, claims$claim, ""), Part = claims$part, `Printed, and what follows` = claims$paper,
    Support = claims$paper_support
  )
  c(table, wrap = TRUE)
}

#' The named contrasts.
#' @param contrasts Data frame as of [compute_contrasts()].
tabulate_contrasts <- function(contrasts) {
  present <- is.na(contrasts$gap)
  lesions <- ifelse(present, paste(contrasts$only_first, "/", contrasts$only_second), "\u2013")
  new_report_table(
    paste(
      "Contrasts of category accuracy on reference regions. p: patient-level sign flips, adjusted for the",
      format_count(nrow(contrasts)),
      "contrasts by Holm's method. McNemar's exact test ignores that lesions come in patients."
    ),
    Contrast = gsub(" - ", " \u2212 ", contrasts$contrast),
    `First (%)` = format_number(100 * contrasts$accuracy_first, 1),
    `Second (%)` = format_number(100 * contrasts$accuracy_second, 1),
    `Difference (points)` = format_estimate(
      100 * contrasts$difference, 100 * contrasts$low, 100 * contrasts$high, 1
    ),
    p = format_p(contrasts$p), `p, adjusted` = format_p(contrasts$p_holm),
    `Only first / second` = keep_together(lesions),
    `p, McNemar` = format_p(contrasts$p_mcnemar),
    Gap = ifelse(present, "", paste("not in this run:", contrasts$gap))
  )
}

#' What ignores clustering, beside what does not; without rows where there is nothing.
#' @param rows Data frame as of [compute_ignoring_clustering()], or NULL.
tabulate_ignoring <- function(rows) {
  if (NROW(rows) == 0) {
    return(new_report_table("Nothing to compare."))
  }
  # Limits that cannot be had would look like a value without uncertainty.
  limits <- function(low, high) {
    text <- sprintf("[%s, %s]", format_number(low), format_number(high))
    keep_together(ifelse(is.na(low), "\u2013", text))
  }
  new_report_table(
    "What ignores clustering, for those who want to compare: every lesion taken for a patient of its own.",
    Quantity = rows$quantity, What = rows$what, Value = format_number(rows$value),
    `Respecting patients` = limits(rows$low, rows$high), p = format_p(rows$p),
    `Ignoring them` = limits(rows$plain_low, rows$plain_high), `p, ignoring` = format_p(rows$plain_p),
    Method = rows$plain_method
  )
}

#' Calibration; without rows where there are no features.
#' @param calibration Data frame as of [compute_calibration()], or NULL.
tabulate_calibration <- function(calibration) {
  if (NROW(calibration) == 0) {
    return(new_report_table("No feature can be scored."))
  }
  of <- function(statistic) calibration[calibration$statistic == statistic, ]
  first <- of("excess")
  estimate <- function(statistic, digits) {
    format_estimate(of(statistic)$value, of(statistic)$low, of(statistic)$high, digits)
  }
  new_report_table(
    paste(
      "Calibration on reference regions. Excess: mean probability minus share with the feature. Slope: on the log",
      "odds, CR2 errors by patient. Brier score: mean squared error."
    ),
    Variant = as.character(first$variant), Feature = describe_code(first$feature), Lesions = first$n,
    Excess = estimate("excess", 3), Slope = estimate("slope", 2), `Brier score` = estimate("brier", 3)
  )
}

#' Detection on log diameter; without rows where there is no model.
#' @param rows Data frame `table` of [compute_detection_model()].
tabulate_detection_model <- function(rows) {
  if (NROW(rows) == 0) {
    return(new_report_table("No model of detection."))
  }
  new_report_table(
    "Detection of a reference lesion by its diameter, at the threshold chosen for each fold.",
    Model = rows$model, Patients = rows$patients, Lesions = rows$n, Detected = rows$detected,
    `Odds ratio, diameter doubled` = format_estimate(rows$odds_ratio, rows$low, rows$high, 2),
    `Degrees of freedom` = format_number(rows$df, 1), p = format_p(rows$p), Note = rows$note
  )
}

#' Average Dice with its simultaneous band, and how often each threshold is the best.
#' @param best Data frame as of [compute_best_threshold()].
#' @param band Data frame as of [compute_dice_band()].
tabulate_best_threshold <- function(best, band) {
  new_report_table(
    paste(
      "Average Dice with its simultaneous 95 % band over all thresholds, and the share of resamples in which each is",
      "the best."
    ),
    Threshold = format_level(band$threshold), `Average Dice` = format_estimate(band$value, band$low, band$high),
    `Best (% of resamples)` = format_number(100 * best$share, 1), `Best here` = ifelse(best$is_best, "yes", "")
  )
}

#' Over- and under-categorisation, and errors between neighbours.
#' @param shifts Data frame as of [compute_shifts()], or NULL.
tabulate_shifts <- function(shifts) {
  if (NROW(shifts) == 0) {
    return(new_report_table("No category."))
  }
  share <- function(name) {
    format_estimate(
      100 * shifts[[name]], 100 * shifts[[paste0(name, "_low")]], 100 * shifts[[paste0(name, "_high")]], 1
    )
  }
  new_report_table(
    paste(
      "Over- and under-categorised lesions, in per cent of the lesions that have a category, and errors between",
      "neighbouring categories in per cent of the errors; Wilson intervals, n divided by the design effect."
    ),
    Variant = shifts$variant, Scoring = describe_code(shifts$scoring), Lesions = shifts$n,
    `Over (%)` = share("over"), `Under (%)` = share("under"), `Between neighbours (%)` = share("neighbour")
  )
}

#' Accuracy on the half split; without rows where the run has none.
#' @param rows Data frame as of [compute_half_split()], or NULL.
tabulate_half_split <- function(rows) {
  if (NROW(rows) == 0) {
    return(new_report_table("No half split."))
  }
  new_report_table(
    paste(
      "Accuracy on the test half of a split of the patients into halves, whose number of lesions is near the inferred",
      "n of the article; a missed lesion is an error."
    ),
    Variant = as.character(rows$variant), Regions = sub("_roi", "", as.character(rows$roi)), Patients = rows$patients,
    Correct = keep_together(paste(rows$successes, "/", rows$n)),
    `Accuracy (%)` = format_estimate(100 * rows$proportion, 100 * rows$low, 100 * rows$high, 1)
  )
}

#' Accuracy over seeds; without rows where the run has one seed only.
#' @param rows Data frame as of [compute_seed_table()], or NULL.
tabulate_seeds <- function(rows) {
  if (NROW(rows) == 0) {
    return(new_report_table("One seed."))
  }
  new_report_table(
    "Accuracy when the characterisation is trained again with another seed (all folds; a missed lesion is an error).",
    Variant = as.character(rows$variant), Regions = sub("_roi", "", as.character(rows$roi)), Seeds = rows$seeds,
    `Mean (%)` = format_number(100 * rows$mean, 1), `SD (points)` = format_number(100 * rows$sd, 1),
    `Lowest (%)` = format_number(100 * rows$lowest, 1), `Highest (%)` = format_number(100 * rows$highest, 1)
  )
}
