known <- function(probability, reference, patient_id = sprintf("P%03d", seq_along(probability))) {
  data.frame(
    variant = factor("v"), roi = factor("reference_roi"), feature = factor("aphe"), fold = 0, patient_id,
    lesion_id = "L1", reference, probability
  )
}

test_that("excess and Brier score follow the hand calculation", {
  lesions <- known(c(0.9, 0.6, 0.2, 0.3), c(1, 0, 0, 1))
  weights <- draw_patient_weights(data.frame(patient_id = lesions$patient_id, group = "positive"), 50)
  table <- compute_calibration(lesions, weights)
  value <- stats::setNames(table$value, table$statistic)
  expect_equal(value[["excess"]], 2.0 / 4 - 2 / 4)
  expect_equal(value[["brier"]], (0.01 + 0.36 + 0.04 + 0.49) / 4)
})

test_that("the slope is 1 for calibrated probabilities, and halves when the log odds double", {
  # Every probability stands for its own share: 20 % of 10, 50 % of 10, 80 % of 10.
  probability <- rep(c(0.2, 0.5, 0.8), each = 10)
  reference <- rep(rep(1:0, 3), c(2, 8, 5, 5, 8, 2))
  lesions <- known(probability, reference)
  slope <- compute_calibration_slope(lesions)
  expect_equal(slope$value, 1, tolerance = 1e-6)
  expect_true(slope$low < 1 && slope$high > 1)
  lesions$probability <- stats::plogis(2 * stats::qlogis(probability))
  expect_equal(compute_calibration_slope(lesions)$value, 0.5, tolerance = 1e-6)
})

test_that("probabilities of 0 and 1, one outcome and no lesion are borne", {
  expect_true(is.finite(compute_calibration_slope(known(c(0, 1, 1, 0, 0.5), c(0, 1, 0, 1, 1)))$value))
  expect_true(is.na(compute_calibration_slope(known(c(0.1, 0.2, 0.3), c(1, 1, 1)))$value))
  expect_true(is.na(compute_calibration_slope(known(c(0.3, 0.3, 0.3), c(1, 0, 1)))$value))
  expect_null(compute_calibration(known(0.5, 1)[0, ], matrix(1, 1, 1)))
  expect_null(compute_calibration_bins(known(0.5, 1)[0, ]))
})

test_that("the groups have equal sizes and hold every lesion once", {
  lesions <- known(seq(0.01, 0.99, length.out = 50), rep(0:1, 25))
  bins <- compute_calibration_bins(lesions)
  expect_equal(bins$n, rep(10, 5))
  expect_equal(sum(bins$predicted * bins$n), sum(lesions$probability))
  expect_equal(sum(bins$successes), 25)
  expect_equal(nrow(compute_calibration_bins(known(rep(0.4, 6), rep(0:1, 3)))), 1)
})

test_that("every variant has a mark in the figure, however many there are", {
  names <- paste0("v", 1:6)
  bins <- data.frame(
    variant = factor(names, names), feature = factor("aphe"), predicted = 0.5, proportion = 0.5, low = 0.4, high = 0.6
  )
  points <- ggplot2::layer_data(plot_calibration(bins, "c"), 4)
  expect_identical(length(unique(points$colour)), 6L)
  expect_identical(length(unique(points$shape)), 6L)
  expect_false(anyNA(points$colour) || anyNA(points$shape))
})
