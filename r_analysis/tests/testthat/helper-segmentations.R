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
  further$draws <- add_fixture_conditions(transform(results$draws, segmentation = name))
  for (table in names(further)) {
    results[[table]] <- rbind(results[[table]], further[[table]])
  }
  results$predicted_lesions <- make_fixture_predicted(results)
  of_run <- results$run$key == "segmentation"
  results$run$value[of_run] <- paste(results$run$value[of_run], name)
  results
}

#' Some patients of the fresh draw with phases moved, missing or at another time, as a network of several phases has
#' them: a millimetre or a second takes a fiftieth of the Dice, a missing phase half of it and the first patient's
#' lesion.
add_fixture_conditions <- function(draws) {
  some <- draws[draws$draw == "fresh" & draws$draw_patient_id %in% sprintf("D%02d", c(1:6, 9:10)), ]
  change <- function(by, name) {
    lost <- if (is.na(by)) 0.5 else abs(by) / 50
    rows <- transform(some, condition = name, amount = by, dice = round(dice * (1 - lost), 4))
    if (is.na(by)) rows[1, c("n_detected", "n_matched")] <- 0
    rows
  }
  conditions <- list(
    arterial_moved = c(0, 6, 15), portal_venous_moved = c(0, 6, 15), arterial_missing = NA, portal_venous_missing = NA,
    delayed_missing = NA, arterial_later = c(-5, 5)
  )
  parts <- lapply(names(conditions), function(name) do.call(rbind, lapply(conditions[[name]], change, name)))
  do.call(rbind, c(list(draws), parts))
}

#' The same, written and read as a run's results are.
read_two_segmentations <- function() {
  folder <- tempfile()
  write_results(add_fixture_segmentation(), folder)
  read_results(folder, test_schema())
}
