#' Predicted lesions of the made-up results: the components of each fold's chosen threshold, categorised.
#'
#' A component on a lesion has the category that each network gives the lesion's automatic region, or LR-4 where it has
#' none; false ones take turns between the categories, and between lying on a haemangioma and on nothing known.
make_fixture_predicted <- function(results) {
  of_fold <- c("segmentation", "fold")
  components <- merge(results$lesion_detection, results$fold_thresholds[c(of_fold, "threshold_chosen")], by = of_fold)
  components <- components[
    components$kind == "predicted" & abs(components$threshold - components$threshold_chosen) < 1e-6,
  ]
  key_columns <- c("segmentation", "patient_id", "lesion_id")
  components <- components[do.call(order, c(components[key_columns], method = "radix")), ]
  reference <- ifelse(components$matched == 1, sub("^C", "", components$lesion_id), NA)
  key <- function(table, lesion) paste(table$segmentation, table$patient_id, lesion)
  lesions <- results$lesions
  turn <- cumsum(components$matched == 0)
  rows <- lapply(unique(results$categories$variant), function(variant) {
    of <- results$categories[results$categories$variant == variant & results$categories$roi == "automatic_roi", ]
    given <- of$category_pred[match(key(components, reference), key(of, of$lesion_id))]
    given[is.na(given)] <- "LR-4"
    data.frame(
      variant, components[c("segmentation", "fold", "patient_id", "lesion_id", "diameter_mm", "iou")],
      reference_lesion_id = reference,
      category_ref = lesions$category_ref[
        match(paste(components$patient_id, reference), paste(lesions$patient_id, lesions$lesion_id))
      ],
      finding = ifelse(components$matched == 0 & turn %% 2 == 1, "haemangioma", NA),
      category_pred = ifelse(components$matched == 0, paste0("LR-", 3 + turn %% 3), given),
      reasons = "made up for tests", row.names = NULL
    )
  })
  do.call(rbind, rows)
}
