AGREEMENT_MARGIN <- c(accuracy = 0.15, dice = 0.10)

#' Our value for each printed number that the results can give.
#'
#' @param analysis List as of [run_analysis()] in which cohort, Dice, detection and accuracy are estimated.
#' @return Data frame `item`, `quantity`, `level`, `kind` (accuracy, dice or other), `value`, `low`, `high`, `unit`,
#'   `n`, `n_effective`, `se`, `definition`.
collect_ours <- function(analysis) {
  thresholds <- as.numeric(select_paper(analysis$paper, "average Dice", "Table 4")$level)
  rbind(
    collect_cohort(get_estimate(analysis, "cohort"), as.numeric(get_fact(analysis, "folds"))),
    collect_dice(get_estimate(analysis, "dice"), get_estimate(analysis, "dice_boxes"), thresholds),
    collect_detection(get_estimate(analysis, "detection"), thresholds),
    collect_accuracy(get_estimate(analysis, "accuracy"), analysis$results$variants)
  )
}

#' One or more rows of [collect_ours()].
#' @param item,quantity,level,value,definition,... Its columns; those not given are empty.
new_ours <- function(item, quantity, level, value, definition, kind = "other", low = NA_real_, high = NA_real_,
                     unit = "", n = NA_real_, n_effective = NA_real_, se = NA_real_) {
  data.frame(item, quantity, level, kind, value, low, high, unit, n, n_effective, se, definition)
}

#' Our numbers of sections 2.3 and 2.4.
#' @param cohort Data frame as of [compute_cohort_table()].
#' @param folds Number of folds.
collect_cohort <- function(cohort, folds) {
  rbind(
    new_ours(
      "\u00a72.3", cohort$quantity, cohort$level, cohort$value, cohort$definition, low = cohort$low, high = cohort$high,
      unit = cohort$unit,
      n = cohort$n
    ),
    new_ours("\u00a72.4", "folds", "all", folds, "setting of the run", unit = "folds")
  )
}

#' Our numbers of Table 4 and Fig. 9.
#' @param table Data frame as of [compute_dice_table()].
#' @param quantiles Data frame as of [compute_dice_quantiles()].
#' @param thresholds Thresholds of Table 4.
collect_dice <- function(table, quantiles, thresholds) {
  table <- table[table$statistic %in% c("median", "average") & round(table$threshold, 6) %in% round(thresholds, 6), ]
  quantiles <- quantiles[round(quantiles$threshold, 6) %in% round(thresholds, 6), ]
  rbind(
    new_ours(
      "Table 4", paste(table$statistic, "Dice"), format_level(table$threshold), table$value,
      "test patients with a lesion (bootstrap)",
      kind = "dice", low = table$low, high = table$high, n = table$patients, se = table$se
    ),
    if (nrow(quantiles) > 0) {
      new_ours(
        "Fig. 9", "10th percentile of Dice", "all thresholds", max(quantiles$p10),
        "highest over the thresholds of Table 4",
        n = quantiles$patients[1]
      )
    }
  )
}

#' Our numbers of Fig. 13, over the thresholds of Table 4 and the positive patients.
#' @param table Data frame as of [compute_lesion_detection()] and [compute_patient_detection()], together.
#' @param thresholds Thresholds of Table 4.
collect_detection <- function(table, thresholds) {
  table <- table[table$population == "positives_only" & round(table$threshold, 6) %in% round(thresholds, 6), ]
  lesion <- table[table$level == "lesion", ]
  patient <- table[table$level == "patient", ]
  if (nrow(table) == 0) {
    return(NULL)
  }
  over <- "over the thresholds of Table 4, positive patients"
  constructed <- if (all(patient$precision_by_construction)) "; true by construction without negative patients" else ""
  finite <- function(f, x) if (all(is.na(x))) NA_real_ else f(x, na.rm = TRUE)
  rbind(
    new_ours("Fig. 13", "recall", "lesion minimum", finite(min, lesion$recall), paste("lowest", over)),
    new_ours("Fig. 13", "recall", "lesion maximum", finite(max, lesion$recall), paste("highest", over)),
    new_ours("Fig. 13", "precision", "lesion minimum", finite(min, lesion$precision), paste("lowest", over)),
    new_ours("Fig. 13", "precision", "patient", finite(mean, patient$precision), paste0("mean ", over, constructed)),
    new_ours("Fig. 13", "recall", "patient", finite(mean, patient$recall), paste("mean", over))
  )
}

#' Our accuracies of Table 5 and Fig. 15, on reference regions.
#' @param table Data frame as of [compute_accuracy_table()], or NULL.
#' @param variants Data frame as variants.csv, which says where the article has a variant.
collect_accuracy <- function(table, variants) {
  table <- table[table$scoring == "reference_regions", ]
  if (is.null(table) || nrow(table) == 0) {
    return(NULL)
  }
  new_ours(
    variants$paper_item[match(table$variant, variants$variant)], "LI-RADS accuracy", table$variant,
    100 * table$proportion,
    "every lesion once, reference regions (Wilson)",
    kind = "accuracy", low = 100 * table$low, high = 100 * table$high, unit = "%", n = table$n,
    n_effective = table$n_effective
  )
}

#' A threshold as the levels of the printed numbers have it.
#' @param threshold Numeric vector.
format_level <- function(threshold) {
  sprintf("%.6g", threshold)
}

#' Verdict on a number of a real cohort.
#'
#' `differs`: the 95 % interval of the difference excludes 0; else `agrees`: its 90 % interval lies within the margin
#' of `AGREEMENT_MARGIN`; else `inconclusive`. Accuracies: Newcombe's interval with our effective n and the article's
#' n. Dice: normal interval; the article prints no standard error, so ours is taken, scaled to its number of patients.
#' `no rule`: neither an accuracy nor a Dice.
#'
#' @param kind "accuracy", "dice" or "other".
#' @param ours,paper Values (shares for accuracies).
#' @param n_ours,n_paper Effective lesions (accuracy) or patients (dice).
#' @param se Standard error of our Dice.
#' @return String.
compute_verdict <- function(kind, ours, paper, n_ours, n_paper, se = NA_real_) {
  if (is.na(ours)) {
    return("not measured")
  }
  if (!kind %in% names(AGREEMENT_MARGIN)) {
    return("no rule")
  }
  interval <- if (kind == "accuracy") {
    function(level) compute_proportion_difference(ours, n_ours, paper, n_paper, level)
  } else {
    function(level) {
      half <- stats::qnorm((1 + level) / 2) * se * sqrt(1 + n_ours / n_paper)
      data.frame(low = ours - paper - half, high = ours - paper + half)
    }
  }
  wide <- interval(0.95)
  narrow <- interval(0.90)
  margin <- AGREEMENT_MARGIN[[kind]]
  # isTRUE: an interval that cannot be had decides nothing.
  if (isTRUE(wide$low > 0 || wide$high < 0)) {
    return("differs")
  }
  if (isTRUE(narrow$low >= -margin && narrow$high <= margin)) "agrees" else "inconclusive"
}

#' Sets every printed number beside ours.
#'
#' @param paper Data frame as of [read_paper_results()].
#' @param ours Data frame as of [collect_ours()].
#' @param label Cohort label. On a virtual cohort the verdict on every number is `not comparable`.
#' @return Data frame with one row a row of `paper`, in its order.
compare_with_paper <- function(paper, ours, label) {
  key <- c("item", "quantity", "level")
  row <- match(row_keys(paper, key), row_keys(ours, key))
  intervals <- compute_paper_intervals(paper)
  ours <- ours[row, ]
  is_number <- !is.na(paper$number)
  verdict <- vapply(seq_len(nrow(paper)), function(i) {
    if (!is_number[i]) {
      return("not a plain number")
    }
    if (is_virtual_cohort(label)) {
      return("not comparable")
    }
    scale <- if (paper$unit[i] == "%") 100 else 1
    n_ours <- if (identical(ours$kind[i], "accuracy")) ours$n_effective[i] else ours$n[i]
    compute_verdict(ours$kind[i], ours$value[i] / scale, paper$number[i] / scale, n_ours, paper$n[i], ours$se[i])
  }, character(1))
  definition <- ifelse(is_number & is.na(ours$value), "not in the results of this run", ours$definition)
  definition[is.na(definition)] <- ""
  data.frame(
    paper[key], unit = paper$unit, paper_value = paper$value, paper_low = intervals$low,
    paper_high = intervals$high,
    paper_interval = intervals$method, paper_n = paper$n, ours_value = ours$value, ours_low = ours$low,
    ours_high = ours$high,
    ours_n = ours$n, ours_definition = definition, verdict = verdict, paper_note = paper$note,
    row.names = NULL
  )
}
