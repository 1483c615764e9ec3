#' The whole automatic path in one table, a column a segmentation variant.
#' @param rows Data frame as of [compute_automatic_path()] with `segmentation`, or NULL.
#' @param variant Characterisation variant that it is of.
#' @param categories Names of the categories, the highest first.
tabulate_automatic_path <- function(rows, variant, categories) {
  if (NROW(rows) == 0) {
    return(new_report_table("No automatic region."))
  }
  a_patient <- rows$quantity %in% c("false_lesions", "false_highest")
  scale <- ifelse(a_patient, 1, 100)
  text <- format_estimate(scale * rows$value, scale * rows$low, scale * rows$high, ifelse(a_patient, 2, 1))
  cells <- ifelse(a_patient, text, paste0(text, keep_together(sprintf(" (%d / %d)", rows$count, rows$n))))
  quantities <- unique(rows$quantity)
  columns <- lapply(unique(rows$segmentation), function(segmentation) {
    of <- rows$segmentation == segmentation
    found <- cells[of][match(quantities, rows$quantity[of])]
    ifelse(is.na(found), "\u2013", found)
  })
  table <- data.frame(describe_automatic_quantity(quantities, categories[1], categories[2]), columns)
  names(table) <- c("End to end", unique(rows$segmentation))
  list(
    table = table, wrap = TRUE,
    caption = paste0(
      "The automatic path, from images to categories (", variant, "), in all patients, at each fold's own threshold ",
      "and minimum volume. A missed lesion is an error. A predicted lesion is right if the reference lesion that it ",
      "shares most voxels with has the category, and false if it touches none. Intervals: Wilson, n divided by the ",
      "design effect; numbers a patient: patient bootstrap."
    )
  )
}

#' False lesions by what they lie on.
#' @param rows Data frame as of [count_false_by_finding()] with `segmentation`, or NULL.
#' @param categories Names of the categories, the highest first.
tabulate_false_lesions <- function(rows, categories) {
  if (NROW(rows) == 0) {
    return(new_report_table("The results do not tell of predicted lesions."))
  }
  finding <- ifelse(is.na(rows$finding), "none that is known", gsub("_", " ", rows$finding, fixed = TRUE))
  table <- data.frame(
    rows$segmentation, finding, rows$false_lesions, format_estimate(rows$per_patient, rows$low, rows$high, 2),
    rows[categories]
  )
  names(table) <- c("Segmentation", "Lies on", "False lesions", "A patient", paste("Called", categories))
  list(table = table, caption = paste(
    "False lesions by the benign finding that they lie on, which only a virtual cohort knows, and by the category that",
    "they were given. Intervals: patient bootstrap."
  ))
}

#' Accuracy end to end.
#' @param rows Data frame as of [compute_end_to_end()], or NULL.
#' @param highest Name of the highest category.
tabulate_end_to_end <- function(rows, highest) {
  if (NROW(rows) == 0) {
    return(new_report_table("No automatic region."))
  }
  new_report_table(
    "Category accuracy end to end, over all reference lesions: a missed lesion is an error of every method.",
    Segmentation = rows$segmentation, Method = describe_method(rows$method, highest), Patients = rows$patients,
    Correct = keep_together(paste(rows$successes, "/", rows$n)),
    `Accuracy (%)` = format_estimate(100 * rows$proportion, 100 * rows$low, 100 * rows$high, 1)
  )
}

#' Differences of accuracy end to end.
#' @param rows Data frame as of [compute_end_to_end_differences()], or NULL.
#' @param highest Name of the highest category.
tabulate_end_to_end_pairs <- function(rows, highest) {
  if (NROW(rows) == 0) {
    return(new_report_table("No pair to compare."))
  }
  name <- function(segmentation, method) paste0(describe_method(method, highest), ", ", segmentation)
  new_report_table(
    "Paired differences of these accuracies, in points; intervals: patient bootstrap. No test is made of them.",
    First = name(rows$first_segmentation, rows$first), Second = name(rows$second_segmentation, rows$second),
    Lesions = rows$n,
    `Difference (points)` = format_estimate(100 * rows$difference, 100 * rows$low, 100 * rows$high, 1)
  )
}

#' Words for a method of [collect_end_to_end()].
#' @param method Character vector.
#' @param highest Name of the highest category.
describe_method <- function(method, highest) {
  ifelse(
    method == "highest", paste(highest, "for every detected lesion"),
    ifelse(method == "size_only", "size alone", method)
  )
}
