patients <- data.frame(patient_id = c("b", "a", "d", "c", "e"), group = rep(c("positive", "negative"), c(3, 2)))

test_that("weights resample whole patients within their group, the same every time", {
  weights <- draw_patient_weights(patients, 50, seed = 1)
  expect_identical(rownames(weights), c("a", "b", "c", "d", "e"))
  expect_true(all(colSums(weights[c("a", "b", "d"), ]) == 3))
  expect_true(all(colSums(weights[c("c", "e"), ]) == 2))
  expect_identical(weights, draw_patient_weights(patients[5:1, ], 50, seed = 1))
  expect_false(identical(weights, draw_patient_weights(patients, 50, seed = 2)))
})

test_that("drawing leaves the caller's random numbers alone", {
  set.seed(3)
  expected <- runif(2)
  set.seed(3)
  first <- runif(1)
  kind <- RNGkind()
  draw_patient_weights(patients, 5)
  expect_identical(RNGkind(), kind)
  expect_identical(c(first, runif(1)), expected)
})

test_that("resampled ratios and medians equal those of the lesions written out", {
  weights <- draw_patient_weights(patients, 40, seed = 4)
  value <- c(a = 3, b = 1, d = 7)
  ratio <- resample_ratio(
    sum_by_patient(value, names(value), weights), sum_by_patient(rep(1, 3), names(value), weights), weights
  )
  median <- resample_median(value, names(value), weights)
  for (i in 1:40) {
    drawn <- rep(value, weights[names(value), i])
    expect_equal(ratio[i], mean(drawn))
    expect_equal(median[i], stats::median(drawn))
  }
  # One patient of each group only: some resamples draw neither.
  some <- resample_median(c(5, 2), c("a", "c"), weights)
  none <- colSums(weights[c("a", "c"), ]) == 0
  expect_true(any(none))
  expect_identical(is.na(some), none)
})

test_that("sums count every row of a patient and give 0 to the others", {
  weights <- draw_patient_weights(patients, 2)
  expect_identical(sum_by_patient(c(1, 2, 4), c("d", "a", "d"), weights), c(2, 0, 0, 5, 0))
})

test_that("an interval needs a statistic that is defined and varies", {
  interval <- compute_bootstrap_interval(c(0:100, NaN))
  expect_equal(c(interval$low, interval$high), c(2.5, 97.5))
  expect_equal(interval$se, stats::sd(0:100))
  expect_true(is.na(compute_bootstrap_interval(c(1:8, NaN, NA))$low))
  expect_true(is.na(compute_bootstrap_interval(rep(1, 20))$low))
})
