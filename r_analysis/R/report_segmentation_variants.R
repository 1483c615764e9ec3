#' Dice of the segmentation variants side by side.
#' @param rows Data frame as of [compare_segmentation_dice()].
tabulate_segmentation_dice <- function(rows) {
  at <- unique(rows$at)
  cells <- function(statistic, segmentation) {
    of <- rows[rows$statistic == statistic & rows$segmentation == segmentation, ]
    of <- of[match(at, of$at), ]
    format_estimate(of$value, of$low, of$high)
  }
  segmentations <- unique(rows$segmentation)
  columns <- c(
    lapply(segmentations, function(name) cells("average", name)),
    lapply(segmentations[-1], function(name) cells("difference", name)),
    lapply(segmentations, function(name) cells("median", name))
  )
  titles <- c(
    paste0("Average, ", segmentations), paste("Average,", segmentations[-1], "\u2212", segmentations[1]),
    paste0("Median, ", segmentations)
  )
  table <- data.frame(ifelse(at == "chosen", "each fold's own", at), columns)
  names(table) <- c("Threshold", titles)
  list(table = table, caption = paste(
    "Dice of each segmentation variant, over patients with a reference lesion. Differences are paired by patient;",
    "intervals: patient bootstrap. Each variant chose its own threshold for each fold."
  ))
}

#' Detection by rule of overlap.
#' @param rows Data frame as of [compute_overlap_detection()], with `segmentation` where there are several, or NULL.
tabulate_overlap_detection <- function(rows) {
  if (NROW(rows) == 0) {
    return(new_report_table("Detection was not computed at the chosen thresholds."))
  }
  estimate <- function(name) {
    format_estimate(rows[[name]], rows[[paste0(name, "_low")]], rows[[paste0(name, "_high")]], 2)
  }
  table <- data.frame(
    `Detected if` = keep_together(describe_overlap_rule(rows$minimum_iou)), Recall = estimate("recall"),
    Precision = estimate("precision"), `False lesions a patient` = estimate("false_per_patient"),
    Sensitivity = estimate("sensitivity"), Specificity = estimate("specificity"), check.names = FALSE
  )
  list(
    table = if ("segmentation" %in% names(rows)) cbind(Segmentation = rows$segmentation, table) else table,
    caption = paste(
      "Detection at the threshold chosen for each fold, with the negative patients, by how much of a lesion must be",
      "found: recall and precision of lesions, sensitivity and specificity of patients. Intervals: Wilson, n divided",
      "by the design effect; false lesions: patient bootstrap."
    )
  )
}

#' Recall by diameter and rule of overlap, a column a size.
#' @param rows Data frame as of [compute_overlap_recall_by_size()] with `segmentation`, or NULL.
tabulate_overlap_recall <- function(rows) {
  if (NROW(rows) == 0) {
    return(new_report_table("Detection was not computed at the chosen thresholds."))
  }
  lines <- unique(rows[c("segmentation", "minimum_iou")])
  columns <- lapply(SIZE_STRATA, function(size) {
    of <- rows[rows$size == size, ]
    of <- of[match(row_keys(lines, names(lines)), row_keys(of, names(lines))), ]
    ifelse(is.na(of$n), "\u2013", paste(
      keep_together(paste(of$successes, "/", of$n)), format_estimate(of$proportion, of$low, of$high, 2), sep = ": "
    ))
  })
  table <- data.frame(lines$segmentation, describe_overlap_rule(lines$minimum_iou), columns)
  names(table) <- c("Segmentation", "Detected if", SIZE_STRATA)
  list(table = table, caption = paste(
    "Recall by diameter at the threshold chosen for each fold: detected of all reference lesions, and the share with",
    "its interval (Wilson, n divided by the design effect)."
  ))
}

#' What the further segmentation variants of a run are, and what they are not.
#' @param variants Data frame as variants.csv.
#' @param segmentations Names, the article's own first.
#' @param label Cohort label.
#' @return String.
describe_segmentations <- function(variants, segmentations, label) {
  further <- segmentations[-1]
  words <- variants$words[match(further, variants$variant)]
  paste0(
    "Beside the article's own `", segmentations[1], "` this run has ",
    paste0("`", further, "` (", words, ")", collapse = ", "), ", which is no reading of the article",
    if (is_virtual_cohort(label)) paste(
      ", and whose gain is favoured by construction on a virtual cohort: there every lesion that is to be found has",
      "contrast in some phase"
    ), "."
  )
}
