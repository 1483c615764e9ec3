patients <- data.frame(patient_id = sprintf("P%02d", 1:40), group = "positive")
weights <- draw_patient_weights(patients, 2000)
set.seed(9)
skill <- stats::runif(40)
dice <- merge(patients["patient_id"], data.frame(threshold = c(0.3, 0.5, 0.7)))
own <- skill[match(dice$patient_id, patients$patient_id)]
dice$dice <- pmin(1, pmax(0, own * c(0.6, 1, 0.8)[match(dice$threshold, c(0.3, 0.5, 0.7))]))
resampled <- resample_average_dice(dice, weights)

test_that("averages of resamples are those of the patients written out", {
  drawn <- rep(patients$patient_id, weights[, 7])
  at <- dice[dice$threshold == 0.5, ]
  expect_equal(resampled$resampled[7, 2], mean(at$dice[match(drawn, at$patient_id)]))
  expect_equal(resampled$value, as.vector(tapply(dice$dice, dice$threshold, mean)))
})

test_that("the simultaneous band is no narrower than the pointwise interval, and covers whole curves", {
  band <- compute_dice_band(resampled)
  pointwise <- stats::qnorm(0.975) * apply(resampled$resampled, 2, stats::sd)
  expect_true(all(band$high - band$value >= 0.97 * pointwise))
  inside <- resampled$resampled >= rep(band$low, each = 2000) & resampled$resampled <= rep(band$high, each = 2000)
  # The band is centred on the estimate, so the share of resampled curves inside is the confidence itself.
  expect_equal(mean(rowSums(inside) == 3), 0.95, tolerance = 0.005)
  # Fully dependent thresholds need no widening: the critical value is that of one.
  single <- list(threshold = 0.5, value = resampled$value[2], resampled = resampled$resampled[, 2, drop = FALSE])
  expect_equal(band$critical[1], compute_dice_band(single)$critical, tolerance = 0.05)
})

test_that("shares of the best threshold are those of a plain count, ties to the lower", {
  best <- compute_best_threshold(resampled)
  expect_equal(best$share, tabulate(apply(resampled$resampled, 1, which.max), 3) / 2000)
  expect_identical(best$is_best, c(FALSE, TRUE, FALSE))
  equal <- list(threshold = c(0.3, 0.5), value = c(0.4, 0.4), resampled = matrix(0.4, 10, 2))
  expect_equal(compute_best_threshold(equal)$share, c(1, 0))
  constant <- compute_dice_band(equal)
  expect_equal(c(constant$low, constant$high), rep(0.4, 4))
})
