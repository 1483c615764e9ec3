#' Average (local), median and global Dice at each threshold, with patient-bootstrap intervals.
#'
#' Section 3 of the article: the average (local) Dice is the mean over patients of 2 TP / (2 TP + FP + FN), the global
#' Dice is the same ratio of the sums over patients.
#'
#' @param dice Data frame `patient_id`, `threshold`, `dice`: patients with a non-empty reference.
#' @param counts Data frame `patient_id`, `group`, `threshold`, `tp`, `fp`, `fn`: all patients.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `threshold`, `statistic` (average, median, global_positive, global_all), `patients`, `value`,
#'   `low`, `high`, `se`.
compute_dice_table <- function(dice, counts, weights) {
  local <- compute_in_parallel(split(dice, dice$threshold), function(at) summarize_local_dice(at, weights))
  global <- compute_in_parallel(split(counts, counts$threshold), function(at) {
    rbind(
      summarize_global_dice(at[at$group == "positive", ], "global_positive", weights),
      summarize_global_dice(at, "global_all", weights)
    )
  })
  table <- do.call(rbind, c(local, global))
  statistics <- c("average", "median", "global_positive", "global_all")
  table <- table[order(match(table$statistic, statistics), table$threshold), ]
  rownames(table) <- NULL
  table
}

#' Average and median Dice of some patients, each with one Dice.
#'
#' @param at Data frame `patient_id`, `threshold`, `dice`.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Two rows as in [compute_dice_table()].
summarize_local_dice <- function(at, weights) {
  n <- nrow(at)
  average <- resample_ratio(
    sum_by_patient(at$dice, at$patient_id, weights), sum_by_patient(rep(1, n), at$patient_id, weights), weights
  )
  median <- resample_median(at$dice, at$patient_id, weights)
  data.frame(
    threshold = at$threshold[1], statistic = c("average", "median"), patients = n,
    value = c(mean(at$dice), stats::median(at$dice)),
    rbind(compute_bootstrap_interval(average), compute_bootstrap_interval(median))
  )
}

#' Global Dice of some patients, each with one row of counts.
#'
#' @param at Data frame `patient_id`, `threshold`, `tp`, `fp`, `fn`.
#' @param statistic Name of the statistic in the result.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return One row as in [compute_dice_table()]; none without patients.
summarize_global_dice <- function(at, statistic, weights) {
  if (nrow(at) == 0) {
    return(NULL)
  }
  numerator <- 2 * at$tp
  denominator <- 2 * at$tp + at$fp + at$fn
  resampled <- resample_ratio(
    sum_by_patient(numerator, at$patient_id, weights), sum_by_patient(denominator, at$patient_id, weights), weights
  )
  data.frame(
    threshold = at$threshold[1], statistic = statistic, patients = nrow(at), value = sum(numerator) / sum(denominator),
    compute_bootstrap_interval(resampled)
  )
}

#' Dice when the threshold is chosen on the test folds (as printed) and when it is chosen on the early-stopping
#' patients.
#'
#' @param dice,counts Data frames as for [compute_dice_table()], with `fold`.
#' @param fold_thresholds Data frame `fold`, `threshold_chosen`.
#' @param table Data frame as of [compute_dice_table()].
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `choice` (test_folds, early_stopping_patients), `statistic`, `thresholds` (text), `patients`,
#'   `value`, `low`, `high`; the global Dice is left out where the counts lack a chosen threshold.
compute_dice_at_chosen <- function(dice, counts, fold_thresholds, table, weights) {
  best <- lapply(c("average", "median", "global_positive"), function(statistic) {
    rows <- table[table$statistic == statistic, ]
    # Best among the thresholds at which Dice itself is reported, not among the finer grid of the counts.
    rows <- rows[round(rows$threshold, 6) %in% round(dice$threshold, 6), ]
    best <- rows[which.max(rows$value), ]
    data.frame(choice = rep("test_folds", nrow(best)), thresholds = format(best$threshold), best)
  })
  range <- paste(format(sort(unique(fold_thresholds$threshold_chosen))), collapse = ", ")
  at_chosen <- rbind(
    summarize_local_dice(select_at_chosen(dice, fold_thresholds), weights),
    summarize_global_dice(
      select_at_chosen(counts[counts$group == "positive", ], fold_thresholds), "global_positive", weights
    )
  )
  both <- rbind(do.call(rbind, best), data.frame(choice = "early_stopping_patients", thresholds = range, at_chosen))
  rownames(both) <- NULL
  both[c("choice", "statistic", "thresholds", "patients", "value", "low", "high")]
}

#' Rows of a table at each fold's chosen threshold.
#'
#' @param table Data frame with `fold` and `threshold`.
#' @param fold_thresholds Data frame `fold`, `threshold_chosen`.
#' @return The rows; none at all if the table lacks one of the chosen thresholds, so that no fold is left out silently.
select_at_chosen <- function(table, fold_thresholds) {
  if (!all(round(fold_thresholds$threshold_chosen, 6) %in% round(table$threshold, 6))) {
    return(table[0, ])
  }
  chosen <- fold_thresholds$threshold_chosen[match(table$fold, fold_thresholds$fold)]
  table[which(abs(table$threshold - chosen) < 1e-6), ]
}

#' Quantiles of Dice for the box plot of Fig. 9: box 25-75 %, whiskers 10-90 % (type 7 quantiles).
#'
#' @param dice Data frame `threshold`, `dice`.
#' @return Data frame `threshold`, `patients`, `p10`, `p25`, `p50`, `p75`, `p90`.
compute_dice_quantiles <- function(dice) {
  rows <- lapply(split(dice, dice$threshold), function(at) {
    q <- stats::quantile(at$dice, c(0.1, 0.25, 0.5, 0.75, 0.9), names = FALSE)
    data.frame(
      threshold = at$threshold[1], patients = nrow(at), p10 = q[1], p25 = q[2], p50 = q[3], p75 = q[4], p90 = q[5]
    )
  })
  do.call(rbind, unname(rows))
}

#' Average Dice by the size of the patient's largest reference lesion.
#'
#' @param dice Data frame `patient_id`, `threshold`, `dice`.
#' @param lesions Data frame `patient_id`, `diameter_mm`.
#' @return Data frame `threshold`, `size`, `patients`, `average`, `median`, `undetected` (patients with Dice 0).
compute_dice_by_size <- function(dice, lesions) {
  largest <- tapply(lesions$diameter_mm, lesions$patient_id, max)
  dice$size <- cut_size(largest[dice$patient_id])
  dice |>
    dplyr::filter(!is.na(.data$size)) |>
    dplyr::group_by(.data$threshold, .data$size) |>
    dplyr::summarise(
      patients = dplyr::n(), average = mean(.data$dice), median = stats::median(.data$dice),
      undetected = sum(.data$dice == 0),
      .groups = "drop"
    ) |>
    as.data.frame()
}
