#' What the automatic path gives when everything that it predicts counts, false lesions too.
#'
#' @param results Named list of data frames of one segmentation variant.
#' @param correct List of the same variant as of [collect_end_to_end()].
#' @param variant Name of the characterisation variant whose categories are counted.
#' @param weights Matrix as of [draw_patient_weights()].
#' @return Data frame `quantity` (as in [describe_automatic_quantity()]), `n` (reference lesions, predicted lesions of
#'   the highest category, or patients), `count` (of those, or of false lesions), `value`, `low`, `high`: proportions,
#'   or numbers a patient; without the quantities that the results do not give.
compute_automatic_path <- function(results, correct, variant, weights) {
  share <- function(quantity, success, patient_id) {
    found <- compute_clustered_proportion(success, patient_id)
    data.frame(
      quantity, n = found$n, count = found$successes, value = found$proportion, low = found$low, high = found$high
    )
  }
  a_patient <- function(quantity, patient_id) {
    all <- results$patients$patient_id
    counts <- stats::setNames(tabulate(match(patient_id, all), length(all)), all)
    found <- compute_patient_mean(counts, weights)
    data.frame(
      quantity, n = length(all), count = sum(counts), value = found$value, low = found$low, high = found$high
    )
  }
  methods <- stats::setNames(c(variant, "highest", "size_only"), c("accuracy", "accuracy_highest", "accuracy_size"))
  accuracies <- lapply(names(methods)[methods %in% names(correct)], function(quantity) {
    right <- correct[[methods[[quantity]]]]
    share(quantity, right, find_patient(right))
  })
  predicted <- select_predicted(results, variant)
  if (is.null(predicted)) {
    return(do.call(rbind, accuracies))
  }
  categories <- rev(levels(predicted$category_pred))
  is_highest <- predicted$category_pred %in% categories[1]
  highest <- predicted[is_highest, ]
  is_right <- highest$category_ref %in% categories[1]
  negative <- results$patients$patient_id[results$patients$group == "negative"]
  of_negatives <- function(quantity, categories) {
    given <- negative %in% predicted$patient_id[predicted$category_pred %in% categories]
    value <- if (length(given) > 0) mean(given) else NA_real_
    data.frame(
      quantity, n = length(given), count = sum(given), value, compute_wilson_interval(value, length(given))
    )
  }
  false <- is.na(predicted$reference_lesion_id)
  do.call(rbind, c(accuracies, list(
    share("highest_right", is_right, highest$patient_id),
    # Written with six digits: a value on the rule may lie a rounding error below it.
    share("highest_right_iou", is_right & highest$iou >= OVERLAP_RULES[2] - 1e-9, highest$patient_id),
    share("highest_false", is.na(highest$reference_lesion_id), highest$patient_id),
    of_negatives("negatives_with_highest", categories[1]),
    of_negatives("negatives_with_two_highest", categories[1:2]),
    a_patient("false_lesions", predicted$patient_id[false]),
    a_patient("false_highest", predicted$patient_id[false & is_highest])
  )))
}

#' False lesions by the benign finding that they lie on, and by the category that they were given.
#'
#' @param results,variant,weights As for [compute_automatic_path()].
#' @return Data frame `finding` (NA: none that is known), `false_lesions`, a column of counts for each category by its
#'   name, and `per_patient`, `low`, `high` (mean over all patients); NULL where the results do not tell.
count_false_by_finding <- function(results, variant, weights) {
  predicted <- select_predicted(results, variant)
  if (is.null(predicted)) {
    return(NULL)
  }
  false <- predicted[is.na(predicted$reference_lesion_id), ]
  all <- results$patients$patient_id
  rows <- lapply(unique(c(sort(false$finding), NA)), function(finding) {
    of <- false[false$finding %in% finding, ]
    counts <- stats::setNames(tabulate(match(of$patient_id, all), length(all)), all)
    mean <- compute_patient_mean(counts, weights)
    data.frame(
      finding, false_lesions = nrow(of), as.list(table(of$category_pred)), per_patient = mean$value, low = mean$low,
      high = mean$high, check.names = FALSE
    )
  })
  do.call(rbind, rows)
}

#' Predicted lesions of the patients, by one characterisation variant.
#' @param results,variant As for [compute_automatic_path()].
#' @return Data frame as predicted_lesions.csv; NULL without one, or without this variant.
select_predicted <- function(results, variant) {
  predicted <- results$predicted_lesions
  if (is.null(predicted) || !variant %in% predicted$variant) NULL else predicted[predicted$variant == variant, ]
}

#' Words for a quantity of [compute_automatic_path()].
#' @param quantity Character vector.
#' @param highest,second Names of the two highest categories.
describe_automatic_quantity <- function(quantity, highest, second) {
  iou <- describe_overlap_rule(OVERLAP_RULES[2])
  words <- c(
    accuracy = "Right category, of all reference lesions (%)",
    accuracy_highest = sprintf("\u2013 if every detected lesion were called %s (%%)", highest),
    accuracy_size = "\u2013 if the category came from the size alone (%)",
    highest_right = sprintf("Right, of all lesions called %s: predictive value (%%)", highest),
    highest_right_iou = sprintf("\u2013 with %s asked for (%%)", iou),
    highest_false = sprintf("On no reference lesion, of all called %s (%%)", highest),
    negatives_with_highest = sprintf("Patients without HCC who are given any %s (%%)", highest),
    negatives_with_two_highest = sprintf("Patients without HCC who are given any %s or %s (%%)", second, highest),
    false_lesions = "False lesions a patient", false_highest = sprintf("False lesions called %s a patient", highest)
  )
  unname(words[quantity])
}
