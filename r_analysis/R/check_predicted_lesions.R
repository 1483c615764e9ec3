#' Predicted lesions are of known reference lesions, and are those of the lesion-level detection.
#' @param results Named list of data frames.
#' @return Problems.
check_predicted_lesions <- function(results) {
  file <- "predicted_lesions.csv"
  predicted <- results$predicted_lesions
  lesions <- results$lesions
  of_reference <- paste(predicted$patient_id, predicted$reference_lesion_id, sep = " | ")
  row <- match(of_reference, row_keys(lesions, c("patient_id", "lesion_id")))
  named <- !is.na(predicted$reference_lesion_id)
  strange <- which(named & is.na(row))
  category <- ifelse(named, as.character(lesions$category_ref)[row], NA)
  without <- which(!named & !is.na(predicted$category_ref))
  apart <- which(named & predicted$iou == 0)
  rbind(
    new_problems(
      file, "reference_lesion_id", strange + 1, "a lesion of lesions.csv of this patient",
      sprintf("'%s'", predicted$reference_lesion_id[strange])
    ),
    find_disagreements(predicted, file, "category_ref", category, "lesions.csv"),
    new_problems(
      file, "category_ref", without + 1, "an empty cell, because there is no reference lesion",
      sprintf("'%s'", predicted$category_ref[without])
    ),
    new_problems(
      file, "iou", apart + 1, "a number above 0, because it shares voxels with a reference lesion",
      rep("'0'", length(apart))
    ),
    check_predicted_complete(predicted, file, results$lesion_detection, results$fold_thresholds)
  )
}

#' Every characterisation variant has exactly the components that were detected at each fold's chosen threshold.
#'
#' @param predicted,file The table and its name.
#' @param detection,fold_thresholds Data frames as of lesion_detection.csv and fold_thresholds.csv.
#' @return Problems; none where detection was not computed at these thresholds.
check_predicted_complete <- function(predicted, file, detection, fold_thresholds) {
  columns <- c("segmentation", "patient_id", "lesion_id")
  if (!all(round(fold_thresholds$threshold_chosen, 6) %in% round(detection$threshold, 6))) {
    return(new_problems())
  }
  of_fold <- c("segmentation", "fold")
  at_chosen <- match(row_keys(detection, of_fold), row_keys(fold_thresholds, of_fold))
  is_chosen <- abs(detection$threshold - fold_thresholds$threshold_chosen[at_chosen]) < 1e-6
  components <- detection[detection$kind == "predicted" & is_chosen %in% TRUE, ]
  row <- match(row_keys(predicted, columns), row_keys(components, columns))
  extra <- which(is.na(row))
  rbind(
    find_missing_rows(predicted, file, merge(data.frame(variant = unique(predicted$variant)), components[columns])),
    new_problems(
      file, "lesion_id", extra + 1, "a predicted component of lesion_detection.csv at the fold's threshold",
      sprintf("'%s'", predicted$lesion_id[extra])
    ),
    find_disagreements(
      predicted, file, "iou", ifelse(is.na(row), NA, sprintf("%.6g", components$iou[row])), "lesion_detection.csv"
    )
  )
}
