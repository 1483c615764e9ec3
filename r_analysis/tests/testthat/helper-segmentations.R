#' Made-up results of a run with a further segmentation variant beside the one of the fixture.
#'
#' Its masks at a threshold are the first variant's at the threshold below (at the lowest its own), so that it finds
#' more; its regions are the reference regions, so that it misses nothing.
add_fixture_segmentation <- function(results = make_fixture_results(), name = "three-phase") {
  lower <- function(threshold) round(ifelse(threshold < 0.15, threshold, threshold - 0.1), 6)
  shift <- function(table) {
    parts <- lapply(sort(unique(round(table$threshold, 6))), function(at) {
      transform(table[round(table$threshold, 6) == lower(at), ], threshold = at, segmentation = name)
    })
    do.call(rbind, parts)
  }
  find <- function(table) transform(table[table$roi == "reference_roi", ], roi = "automatic_roi", segmentation = name)
  further <- c(
    lapply(results[c("dice_by_threshold", "pixel_counts", "lesion_detection", "patient_detection")], shift),
    lapply(results[c("features", "categories", "seed_accuracy", "half_split")], find),
    list(
      fold_thresholds = transform(results$fold_thresholds, segmentation = name),
      training_history = transform(
        results$training_history[results$training_history$stage == "finetune", ], variant = name
      )
    )
  )
  for (table in names(further)) {
    results[[table]] <- rbind(results[[table]], further[[table]])
  }
  results$predicted_lesions <- make_fixture_predicted(results)
  of_run <- results$run$key == "segmentation"
  results$run$value[of_run] <- paste(results$run$value[of_run], name)
  results
}

#' The same, written and read as a run's results are.
read_two_segmentations <- function() {
  folder <- tempfile()
  write_results(add_fixture_segmentation(), folder)
  read_results(folder, test_schema())
}
