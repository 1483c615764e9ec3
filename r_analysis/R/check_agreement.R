#' Checks that the results files agree with one another.
#'
#' @param results Named list of sound data frames; a file that is unsound is absent, and what needs it is not checked.
#' @return Problems.
check_agreement <- function(results) {
  checks <- list(
    list(needs = c("run", "variants"), check = check_segmentations),
    list(needs = c("run", "patients"), check = check_fold_numbers),
    list(needs = "patients", check = check_patients),
    list(needs = "lesions", check = check_lesions),
    list(needs = c("dice_by_threshold", "fold_thresholds"), check = check_fold_thresholds),
    list(needs = c("patients", "dice_by_threshold"), check = check_dice_complete),
    list(needs = c("dice_by_threshold", "pixel_counts"), check = check_dice_counts),
    list(needs = c("patients", "pixel_counts"), check = check_counts_complete),
    list(needs = c("patients", "patient_detection"), check = check_patient_detection),
    list(needs = c("lesions", "lesion_detection"), check = check_lesion_detection),
    list(needs = c("lesion_detection", "patient_detection"), check = check_detection_levels),
    list(needs = c("lesion_detection", "patient_detection"), check = check_overlaps),
    list(needs = c("patients", "draws"), check = check_draws),
    list(needs = c("lesions", "categories"), check = check_categories),
    list(needs = c("lesions", "categories", "features"), check = check_features),
    list(
      needs = c("lesions", "predicted_lesions", "lesion_detection", "fold_thresholds"),
      check = check_predicted_lesions
    ),
    list(needs = c("diagram_nodes", "diagram_edges"), check = check_diagrams)
  )
  found <- lapply(checks, function(one) if (all(one$needs %in% names(results))) one$check(results) else new_problems())
  do.call(rbind, found)
}

#' One text a row that identifies it by some columns.
#'
#' @param table Data frame.
#' @param columns Names of columns.
#' @return Character vector.
row_keys <- function(table, columns) {
  do.call(
    paste,
    c(lapply(table[columns], function(x) if (is.numeric(x)) sprintf("%.6g", x) else as.character(x)), sep = " | ")
  )
}

#' Combinations that a table should have and does not.
#'
#' @param table,file The table and its name.
#' @param expected Data frame whose columns are columns of `table`.
#' @return Problems without rows, one a missing combination.
find_missing_rows <- function(table, file, expected) {
  absent <- setdiff(row_keys(expected, names(expected)), row_keys(table, names(expected)))
  new_problems(
    file, paste(names(expected), collapse = " + "), rep(NA, length(absent)), sprintf("a row for %s", absent),
    rep("none", length(absent))
  )
}

#' Rows whose value differs from what another table says.
#'
#' @param table,file The table and its name.
#' @param column Column to check.
#' @param expected Vector as long as the table; NA where nothing is known.
#' @param source Where the expectation comes from.
#' @return Problems.
find_disagreements <- function(table, file, column, expected, source) {
  found <- as.character(table[[column]])
  found[is.na(found)] <- ""
  expected <- as.character(expected)
  bad <- which(!is.na(expected) & found != expected)
  new_problems(file, column, bad + 1, sprintf("'%s' as %s says", expected[bad], source), sprintf("'%s'", found[bad]))
}

#' Every fold number is below the number of folds of the run.
#' @param results Named list of data frames.
check_fold_numbers <- function(results) {
  folds <- as.numeric(results$run$value[results$run$key == "folds"])
  bad <- which(results$patients$fold >= folds)
  new_problems(
    "patients.csv", "fold", bad + 1, sprintf("a fold below %g, the number of folds in run.csv", folds),
    sprintf("'%g'", results$patients$fold[bad])
  )
}

#' Every patient of every file is known, and has the same fold and group everywhere.
#' @param results Named list of data frames.
check_patients <- function(results) {
  patients <- results$patients
  found <- lapply(setdiff(names(results), "patients"), function(name) {
    table <- results[[name]]
    if (!"patient_id" %in% names(table)) {
      return(new_problems())
    }
    file <- paste0(name, ".csv")
    row <- match(table$patient_id, patients$patient_id)
    unknown <- which(is.na(row))
    problems <- new_problems(
      file, "patient_id", unknown + 1, "a patient of patients.csv", sprintf("'%s'", table$patient_id[unknown])
    )
    for (column in intersect(c("fold", "group"), names(table))) {
      problems <- rbind(problems, find_disagreements(table, file, column, patients[[column]][row], "patients.csv"))
    }
    problems
  })
  do.call(rbind, found)
}

#' Every reference lesion of every file is known.
#' @param results Named list of data frames.
check_lesions <- function(results) {
  known <- row_keys(results$lesions, c("patient_id", "lesion_id"))
  tables <- c("lesion_detection", "features", "categories", "half_split")
  found <- lapply(intersect(tables, names(results)), function(name) {
    table <- results[[name]]
    keys <- row_keys(table, c("patient_id", "lesion_id"))
    is_reference <- if (name == "lesion_detection") table$kind == "reference" else rep(TRUE, nrow(table))
    unknown <- which(is_reference & !keys %in% known)
    new_problems(
      paste0(name, ".csv"), "patient_id + lesion_id", unknown + 1, "a lesion of lesions.csv",
      sprintf("'%s'", keys[unknown])
    )
  })
  do.call(rbind, found)
}

#' Every fold has a threshold, and it is one of those at which Dice was computed.
#' @param results Named list of data frames.
check_fold_thresholds <- function(results) {
  chosen <- results$fold_thresholds
  thresholds <- unique(results$dice_by_threshold$threshold)
  unknown <- which(!round(chosen$threshold_chosen, 6) %in% round(thresholds, 6))
  rbind(
    find_missing_rows(chosen, "fold_thresholds.csv", unique(results$dice_by_threshold[c("fold", "segmentation")])),
    new_problems(
      "fold_thresholds.csv", "threshold_chosen", unknown + 1,
      paste("one of the thresholds of dice_by_threshold.csv:", paste(sort(thresholds), collapse = ", ")),
      sprintf("'%g'", chosen$threshold_chosen[unknown])
    )
  )
}

#' Some patients with every threshold and segmentation variant of a table.
#'
#' @param patient_id Character vector.
#' @param table Data frame with `threshold` and `segmentation`.
#' @return Data frame `patient_id`, `threshold`, `segmentation`.
cross_with_thresholds <- function(patient_id, table) {
  expand.grid(
    patient_id = patient_id, threshold = sort(unique(table$threshold)),
    segmentation = unique(as.character(table$segmentation)), stringsAsFactors = FALSE
  )
}

#' Every patient with a reference lesion has a Dice at every threshold.
#' @param results Named list of data frames.
check_dice_complete <- function(results) {
  with_lesion <- results$patients$patient_id[results$patients$n_lesions_ref > 0]
  expected <- cross_with_thresholds(union(with_lesion, results$dice_by_threshold$patient_id), results$dice_by_threshold)
  find_missing_rows(results$dice_by_threshold, "dice_by_threshold.csv", expected)
}

#' Every patient has voxel counts at every threshold.
#' @param results Named list of data frames.
check_counts_complete <- function(results) {
  expected <- cross_with_thresholds(results$patients$patient_id, results$pixel_counts)
  find_missing_rows(results$pixel_counts, "pixel_counts.csv", expected)
}

#' Every patient is in the patient-level detection at every threshold.
#' @param results Named list of data frames.
check_patient_detection <- function(results) {
  expected <- cross_with_thresholds(results$patients$patient_id, results$patient_detection)
  find_missing_rows(results$patient_detection, "patient_detection.csv", expected)
}

#' Dice and voxel counts tell the same story where both have a threshold.
#' @param results Named list of data frames.
check_dice_counts <- function(results) {
  dice <- results$dice_by_threshold
  counts <- results$pixel_counts
  columns <- c("segmentation", "patient_id", "threshold")
  row <- match(row_keys(dice, columns), row_keys(counts, columns))
  expected <- with(counts[row, ], 2 * tp / (2 * tp + fp + fn))
  bad <- which(abs(dice$dice - expected) > 1e-5)
  new_problems(
    "dice_by_threshold.csv", "dice", bad + 1, sprintf("%.6g as the counts of pixel_counts.csv give", expected[bad]),
    sprintf("'%.6g'", dice$dice[bad])
  )
}

#' Every reference lesion is in the lesion-level detection at every threshold, with its diameter.
#' @param results Named list of data frames.
check_lesion_detection <- function(results) {
  detection <- results$lesion_detection
  expected <- merge(results$lesions[c("patient_id", "lesion_id")], unique(detection[c("threshold", "segmentation")]))
  columns <- c("patient_id", "lesion_id")
  known <- results$lesions$diameter_mm[match(row_keys(detection, columns), row_keys(results$lesions, columns))]
  bad <- which(detection$kind == "reference" & !is.na(known) & abs(detection$diameter_mm - known) > 1e-5 * known)
  rbind(
    find_missing_rows(detection[detection$kind == "reference", ], "lesion_detection.csv", expected),
    new_problems(
      "lesion_detection.csv", "diameter_mm", bad + 1, sprintf("'%.6g' as lesions.csv says", known[bad]),
      sprintf("'%.6g'", detection$diameter_mm[bad])
    )
  )
}

#' Lesion-level and patient-level detection tell the same story at the thresholds of both.
#' @param results Named list of data frames.
check_detection_levels <- function(results) {
  lesions <- results$lesion_detection
  patients <- results$patient_detection
  columns <- c("segmentation", "threshold", "patient_id")
  keys <- row_keys(patients, columns)
  keys_of <- function(rows) row_keys(lesions[rows, ], columns)
  comparable <- round(patients$threshold, 6) %in% round(lesions$threshold, 6)
  says <- function(rows) ifelse(comparable, as.integer(keys %in% keys_of(rows)), NA)
  rbind(
    find_disagreements(
      patients, "patient_detection.csv", "has_reference", says(lesions$kind == "reference"), "lesion_detection.csv"
    ),
    find_disagreements(
      patients, "patient_detection.csv", "has_prediction", says(lesions$kind == "predicted"), "lesion_detection.csv"
    ),
    find_disagreements(
      patients, "patient_detection.csv", "detected", says(lesions$kind == "reference" & lesions$matched == 1),
      "lesion_detection.csv"
    )
  )
}

#' An overlap is above 0 where something is shared, and a patient's is the largest of the reference lesions.
#' @param results Named list of data frames.
check_overlaps <- function(results) {
  lesions <- results$lesion_detection
  patients <- results$patient_detection
  columns <- c("segmentation", "threshold", "patient_id")
  known <- lesions[lesions$kind == "reference" & !is.na(lesions$iou), ]
  largest <- tapply(known$iou, row_keys(known, columns), max)
  expected <- as.vector(largest[row_keys(patients, columns)])
  bad <- which(abs(patients$iou - expected) > 1e-6)
  rbind(
    find_disagreements(lesions, "lesion_detection.csv", "matched", as.integer(lesions$iou > 0), "its iou"),
    find_disagreements(patients, "patient_detection.csv", "detected", as.integer(patients$iou > 0), "its iou"),
    new_problems(
      "patient_detection.csv", "iou", bad + 1, sprintf("'%.6g' as lesion_detection.csv says", expected[bad]),
      sprintf("'%.6g'", patients$iou[bad])
    )
  )
}

#' Every lesion has one category for each variant and region, and only a missed lesion has an empty one.
#' @param results Named list of data frames.
check_categories <- function(results) {
  categories <- results$categories
  lesions <- results$lesions
  columns <- c("patient_id", "lesion_id")
  row <- match(row_keys(categories, columns), row_keys(lesions, columns))
  # Where a feature was not assessed, the reasons may say LR-NC or a range, which are no categories that are scored.
  excused <- grepl("LR-NC", categories$reasons, fixed = TRUE) | grepl(RANGE, categories$reasons)
  wrong_empty <- which(categories$detected == 1 & is.na(categories$category_pred) & !excused)
  wrong_full <- which(categories$detected == 0 & !is.na(categories$category_pred))
  missed_reference <- which(categories$roi == "reference_roi" & categories$detected == 0)
  rbind(
    find_missing_rows(categories, "categories.csv", merge(
      unique(categories[c("variant", "roi", "segmentation")]), lesions[columns]
    )),
    find_disagreements(
      categories, "categories.csv", "category_ref", as.character(lesions$category_ref)[row], "lesions.csv"
    ),
    new_problems(
      "categories.csv", "category_pred", wrong_empty + 1, "a category, because the lesion is detected",
      rep("an empty cell", length(wrong_empty))
    ),
    new_problems(
      "categories.csv", "category_pred", wrong_full + 1, "an empty cell, because the lesion is missed",
      sprintf("'%s'", categories$category_pred[wrong_full])
    ),
    new_problems(
      "categories.csv", "detected", missed_reference + 1, "1 under reference_roi", rep("'0'", length(missed_reference))
    )
  )
}

#' Every scored lesion has a row for each feature of each variant and region; only a missed lesion may lack the
#' probability, or one whose reasons say that this feature was not assessed.
#' @param results Named list of data frames.
check_features <- function(results) {
  features <- results$features
  lesions <- results$lesions
  columns <- c("patient_id", "lesion_id")
  roi_columns <- c("variant", "roi", "segmentation", columns)
  scored <- results$categories[results$categories$detected == 1, roi_columns]
  scored <- merge(scored, unique(features[c("variant", "roi", "feature")]))
  category <- results$categories[match(row_keys(features, roi_columns), row_keys(results$categories, roi_columns)), ]
  excused <- category$detected %in% 0 | says_not_assessed(category$reasons, features$feature)
  unscored <- which(is.na(features$probability) & !excused)
  references <- as.matrix(lesions[c("aphe_ref", "washout_ref", "capsule_ref")])
  row <- match(row_keys(features, columns), row_keys(lesions, columns))
  reference <- references[cbind(row, match(paste0(features$feature, "_ref"), colnames(references)))]
  rbind(
    find_missing_rows(features, "features.csv", scored[c(roi_columns, "feature")]),
    new_problems(
      "features.csv", "probability", unscored + 1, "a number in [0, 1], because the feature was assessed",
      rep("an empty cell", length(unscored))
    ),
    find_disagreements(features, "features.csv", "reference", reference, "lesions.csv")
  )
}

#' How reasons tell that several categories remain: "washout, 25 mm: LR-4 or LR-5, APHE not assessed".
RANGE <- ": LR-[1-5](, LR-[1-5])* or LR-[1-5], "

#' Whether the reasons of a category say that a feature was not assessed, as in "(APHE, capsule not assessed; ...)" or
#' behind a range.
#'
#' @param reasons Character vector; NA where there are none.
#' @param feature Codes of features, one for each of `reasons`.
#' @return Logical vector.
says_not_assessed <- function(reasons, feature) {
  named <- rep(FALSE, length(reasons))
  for (code in unique(as.character(feature))) {
    rows <- feature == code
    pattern <- sprintf("([(]| or LR-[1-5], )([^()]*, )?%s(, [^()]*)? not assessed", code)
    named[rows] <- grepl(pattern, reasons[rows], ignore.case = TRUE)
  }
  named
}

#' Every arrow joins two boxes of its diagram.
#' @param results Named list of data frames.
check_diagrams <- function(results) {
  edges <- results$diagram_edges
  known <- row_keys(results$diagram_nodes, c("figure", "node_id"))
  found <- lapply(c("source", "target"), function(end) {
    unknown <- which(!row_keys(edges, c("figure", end)) %in% known)
    new_problems(
      "diagram_edges.csv", end, unknown + 1, "a box of diagram_nodes.csv in the same figure",
      sprintf("'%s'", edges[[end]][unknown])
    )
  })
  do.call(rbind, found)
}
