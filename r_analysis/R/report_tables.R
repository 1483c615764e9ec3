#' A table of the report before it is formatted.
#'
#' @param caption Caption without the cohort, which is put before it.
#' @param ... Columns; names are the titles.
#' @return List of `table` and `caption`; an element `wrap` that is TRUE lets the first column break its lines, an
#'   element `note` is Markdown that stands below the table.
new_report_table <- function(caption, ...) {
  list(table = data.frame(..., check.names = FALSE), caption = caption)
}

#' Facts of the run, three pairs a line.
#' @param run Data frame as run.csv.
tabulate_run <- function(run) {
  pairs <- 3
  facts <- cbind(run$key, ifelse(is.na(run$value), "\u2013", run$value))
  rows <- ceiling(nrow(facts) / pairs)
  facts <- rbind(facts, matrix("", rows * pairs - nrow(facts), 2))
  columns <- lapply(seq_len(pairs), function(i) facts[(i - 1) * rows + seq_len(rows), , drop = FALSE])
  table <- stats::setNames(data.frame(do.call(cbind, columns)), rep(c("Fact", "Value"), pairs))
  list(table = table, caption = "The run.")
}

#' Printed numbers beside ours.
#' @param shown Rows as of [compare_with_paper()].
#' @param caption Caption.
#' @param definitions Whether to say what each of ours is; else only what needs saying.
tabulate_comparison <- function(shown, caption, definitions = TRUE) {
  unit <- ifelse(shown$unit == "" | !grepl("[0-9]", shown$paper_value), "", paste0(" ", shown$unit))
  limits <- sprintf(" [%s, %s]", format_number(shown$paper_low, 2), format_number(shown$paper_high, 2))
  printed <- paste0(shown$paper_value, ifelse(is.na(shown$paper_low), "", limits), unit)
  digits <- choose_digits(shown$ours_value, shown$unit)
  definition <- shown$ours_definition
  needed <- grepl("by construction|not in the results", definition)
  report_table <- new_report_table(
    caption,
    Item = shown$item, Quantity = if (definitions) shown$quantity else keep_together(shown$quantity),
    Level = if (definitions) shown$level else keep_together(shown$level),
    Printed = ifelse(grepl("plain", shown$verdict), printed, keep_together(printed)),
    Ours = format_estimate(shown$ours_value, shown$ours_low, shown$ours_high, digits, shown$unit),
    Verdict = keep_together(shown$verdict),
    `Ours is` = if (definitions) definition else ifelse(
      grepl("construction", definition), "by construction", ifelse(needed, "not in this run", "")
    )
  )
  if (!definitions) names(report_table$table)[names(report_table$table) == "Ours is"] <- "Note"
  report_table
}

#' Table 4.
#' @param dice Data frame as of [compute_dice_table()].
#' @param paper Data frame as of [read_paper_results()].
tabulate_dice <- function(dice, paper) {
  of <- function(statistic) dice[dice$statistic == statistic, ]
  thresholds <- format_level(of("average")$threshold)
  ours <- function(statistic) {
    rows <- of(statistic)[match(thresholds, format_level(of(statistic)$threshold)), ]
    format_estimate(rows$value, rows$low, rows$high)
  }
  printed <- function(quantity) {
    rows <- select_paper(paper, quantity, "Table 4")
    format_number(rows$number[match(thresholds, rows$level)])
  }
  new_report_table(
    paste0(
      "Dice by threshold (Table 4): ", max(of("average")$patients), " patients with a reference lesion, ",
      max(dice$patients), " patients in all."
    ),
    Threshold = thresholds, `Median, printed` = printed("median Dice"), `Median, ours` = ours("median"),
    `Average, printed` = printed("average Dice"), `Average, ours` = ours("average"),
    `Global, positives` = ours("global_positive"), `Global, with negatives` = ours("global_all")
  )
}

#' Dice at a threshold chosen on the test folds and on the early-stopping patients.
#' @param chosen Data frame as of [compute_dice_at_chosen()].
tabulate_chosen <- function(chosen) {
  new_report_table(
    "Dice at a chosen threshold. The intervals leave the choice itself out.",
    Threshold = describe_code(chosen$choice), Statistic = describe_code(chosen$statistic), At = chosen$thresholds,
    Patients = chosen$patients, Dice = format_estimate(chosen$value, chosen$low, chosen$high)
  )
}

#' The threshold and the minimum volume of each fold.
#' @param folds Data frame as fold_thresholds.csv.
tabulate_fold_thresholds <- function(folds) {
  new_report_table(
    paste(
      "Threshold and minimum volume of each fold, chosen by lesion F1 on patients whom it neither tests nor trains on,",
      "some of them without a lesion."
    ),
    Fold = folds$fold, `Threshold chosen` = format_level(folds$threshold_chosen),
    `Minimum volume (mm³)` = format_level(folds$minimum_volume_mm3),
    `Average Dice of these patients` = format_number(folds$dice_validation)
  )
}

#' Dice by the size of the largest lesion, at the threshold that most folds chose.
#' @param by_size Data frame as of [compute_dice_by_size()].
#' @param fold_thresholds Data frame as fold_thresholds.csv.
tabulate_dice_by_size <- function(by_size, fold_thresholds) {
  usual <- names(which.max(table(format_level(fold_thresholds$threshold_chosen))))
  size <- by_size[format_level(by_size$threshold) == usual, ]
  new_report_table(
    paste0(
      "What small lesions do to the average: Dice at threshold ", usual,
      ", chosen for most folds, by the diameter of the patient's largest reference lesion."
    ),
    `Largest lesion` = as.character(size$size), Patients = size$patients, `Average Dice` = format_number(size$average),
    `Median Dice` = format_number(size$median), `Patients with Dice zero` = size$undetected
  )
}

#' Detection at the thresholds of Table 4.
#' @param detection Data frame as of [compute_lesion_detection()] and [compute_patient_detection()], together.
#' @param paper Data frame as of [read_paper_results()].
tabulate_detection <- function(detection, paper) {
  printed <- select_paper(paper, "average Dice", "Table 4")$level
  rows <- detection[format_level(detection$threshold) %in% printed, ]
  population <- c(positives_only = "positives (as printed)", with_negatives = "with negatives")
  precision <- format_estimate(rows$precision, rows$precision_low, rows$precision_high)
  new_report_table(
    paste(
      "Detection at the thresholds of Table 4, with 95 % Wilson intervals, n divided by the design effect.",
      "An asterisk marks what is true by construction."
    ),
    Level = rows$level, Patients = population[rows$population], Threshold = format_level(rows$threshold),
    TP = rows$tp, FP = rows$fp, FN = rows$fn, Recall = format_estimate(rows$recall, rows$recall_low, rows$recall_high),
    Precision = paste0(precision, ifelse(rows$precision_by_construction, "\u00a0*", "")),
    Specificity = format_number(rows$specificity)
  )
}

#' Detection by size at the chosen thresholds; without rows where it was not computed at them.
#' @param size Data frame as of [compute_recall_by_size()].
tabulate_recall_by_size <- function(size) {
  new_report_table(
    "Detection by diameter at the threshold chosen on the early-stopping patients of each fold.",
    Diameter = as.character(size$size), Patients = size$patients, Lesions = size$n, Detected = size$successes,
    Share = if (NROW(size) > 0) format_estimate(size$proportion, size$low, size$high) else character()
  )
}

#' Features; without rows where there are none.
#' @param features Data frame as of [compute_feature_table()], or NULL.
tabulate_features <- function(features) {
  first <- features[features$statistic == "auc", ]
  estimate <- function(statistic) {
    rows <- features[features$statistic == statistic, ]
    if (NROW(rows) > 0) format_estimate(rows$value, rows$low, rows$high) else character()
  }
  new_report_table(
    paste(
      "Features: lesions in which the feature is present, absent, or not read (missed, or no image of the phase).",
      "A perfect AUC has no bootstrap interval."
    ),
    Variant = as.character(first$variant), Regions = sub("_roi", "", as.character(first$roi)),
    Feature = describe_code(first$feature), Present = first$n_present, Absent = first$n_absent,
    `Not read` = first$n_unread, AUC = estimate("auc"), Sensitivity = estimate("sensitivity"),
    Specificity = estimate("specificity")
  )
}

#' Table 5 and the accuracies of Fig. 15; a variant that the run lacks has a line that says so.
#' @param accuracy Data frame as of [compute_accuracy_table()], or NULL.
#' @param paper Data frame as of [read_paper_results()].
tabulate_accuracy <- function(accuracy, paper) {
  printed <- cbind(paper, compute_paper_intervals(paper))[paper$quantity == "LI-RADS accuracy", ]
  printed$text <- format_estimate(printed$number, printed$low, printed$high, 2)
  absent <- setdiff(printed$level, accuracy$variant)
  columns <- c("variant", "scoring", "correct", "accuracy", "design_effect", "kappa", "shifted")
  ours <- data.frame(matrix(character(), 0, length(columns), dimnames = list(NULL, columns)))
  if (NROW(accuracy) > 0) {
    ours <- data.frame(
      variant = accuracy$variant, scoring = describe_code(accuracy$scoring),
      correct = paste(accuracy$successes, "/", accuracy$n),
      accuracy = format_estimate(100 * accuracy$proportion, 100 * accuracy$low, 100 * accuracy$high, 1),
      design_effect = format_number(accuracy$design_effect, 2),
      kappa = format_estimate(accuracy$kappa_linear, accuracy$kappa_linear_low, accuracy$kappa_linear_high, 2),
      shifted = paste(accuracy$overcategorized, "/", accuracy$undercategorized)
    )
  }
  rows <- dplyr::bind_rows(ours, data.frame(variant = absent, scoring = rep("not in this run", length(absent))))
  rows <- rows[order(match(rows$variant, c(printed$level, unique(ours$variant)))), ]
  rows[is.na(rows)] <- "\u2013"
  first <- !duplicated(rows$variant)
  in_paper <- printed$text[match(rows$variant, printed$level)]
  in_paper[is.na(in_paper)] <- "\u2013"
  new_report_table(
    paste0(
      "Accuracy of each variant (Table 5; the direct variants: Fig. 15). Printed: n = ",
      paste(unique(printed$n), collapse = ", "), " inferred. Over / under: over- and under-categorized lesions."
    ),
    Variant = ifelse(first, rows$variant, ""), `Printed (%)` = ifelse(first, in_paper, ""), Scoring = rows$scoring,
    Correct = keep_together(rows$correct), `Ours (%)` = rows$accuracy, `Design effect` = rows$design_effect,
    `Weighted kappa` = rows$kappa, `Over / under` = keep_together(rows$shifted)
  )
}
