#' A made-up table of other networks: this network is better than the plain U-Net on `delayed`, by 0.1 in all patients
#' but one, and worse on `three-phase`; it gets better with the minutes.
make_fixture_yardsticks <- function() {
  patients <- list(`0 1 2` = c("A", "B", "C", "D"), `3 4 5` = c("E", "F"))
  own <- c(A = 0.2, B = 0.4, C = 0.9, D = 0.5, E = 0.3, F = 0.8)
  training <- function(network, segmentation, core_minutes, test_folds, add) {
    ids <- patients[[test_folds]]
    data.frame(
      network, segmentation, core_minutes, test_folds, steps = 200 * core_minutes,
      parameters = if (network == "unet_plus_plus") 970000 else 2700000,
      pretrained = as.integer(network == "unet_plus_plus"),
      pretraining_core_s = ifelse(network == "unet_plus_plus", 16.7, 0), training_core_s = 60 * core_minutes,
      cohort_seed = 9000, profile_digest = "1f0c9a7be2d4", patient_id = ids, dice = round(own[ids] + add, 4)
    )
  }
  worse <- c(A = 0.1, B = 0.1, C = 0.1, D = 0.1, E = 0.1, F = 0.4)
  rows <- list()
  for (folds in names(patients)) {
    ids <- patients[[folds]]
    rows <- c(rows, list(
      training("unet_plus_plus", "delayed", 5, folds, 0), training("plain_unet", "delayed", 5, folds, -worse[ids]),
      training("unet_plus_plus", "three-phase", 5, folds, -worse[ids] / 2),
      training("plain_unet", "three-phase", 5, folds, 0)
    ))
  }
  do.call(rbind, c(rows, list(
    training("unet_plus_plus", "delayed", 1, "0 1 2", -0.1), training("unet_plus_plus", "delayed", 20, "0 1 2", 0.1),
    training("segmentation_models", "delayed", 5, "0 1 2", -0.15)
  )))
}

#' The same, or another table, written and read as the report reads it.
read_fixture_yardsticks <- function(yardsticks = make_fixture_yardsticks()) {
  folder <- tempfile()
  write_results(list(yardsticks = yardsticks), folder)
  read_yardsticks(file.path(folder, "yardsticks.csv"), yardsticks_schema())
}
