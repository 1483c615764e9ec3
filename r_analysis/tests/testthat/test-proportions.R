test_that("Wilson intervals equal those of prop.test", {
  # prop.test(k, 88, correct = FALSE)$conf.int, R 4.2.2: the printed accuracies at the inferred n = 88
  golden <- rbind(
    c(67, 0.66257355, 0.83828957), c(64, 0.62618795, 0.80934520), c(54, 0.50918757, 0.70857901),
    c(38, 0.33332677, 0.53601328)
  )
  for (i in seq_len(nrow(golden))) {
    ours <- compute_wilson_interval(golden[i, 1] / 88, 88)
    expect_equal(unlist(ours, use.names = FALSE), golden[i, 2:3], tolerance = 1e-7)
    stats <- as.vector(suppressWarnings(stats::prop.test(golden[i, 1], 88, correct = FALSE)$conf.int))
    expect_equal(unlist(ours, use.names = FALSE), stats, tolerance = 1e-12)
  }
})

test_that("Wilson intervals at 0 and 1 end there, and follow by hand", {
  z2 <- 1.959963984540054^2
  expect_equal(compute_wilson_interval(0, 10), data.frame(low = 0, high = z2 / (10 + z2)))
  expect_equal(compute_wilson_interval(1, 10), data.frame(low = 10 / (10 + z2), high = 1))
  expect_true(is.na(compute_wilson_interval(NA_real_, 10)$low))
})

test_that("the design effect follows the hand calculation", {
  # Patients a (2 of 2), b (0 of 2), c (1 of 1): p = 3/5; residuals 0.8, -1.2, 0.4; 3/2 * 2.24 / 25 = 0.1344;
  # binomial 0.6 * 0.4 / 5 = 0.048.
  expect_equal(compute_design_effect(c(1, 1, 0, 0, 1), c("a", "a", "b", "b", "c")), 2.8)
  # One lesion a patient: n / (n - 1).
  expect_equal(compute_design_effect(c(1, 0, 1, 0), letters[1:4]), 4 / 3)
  # Patients that are all alike inside would narrow the interval: the floor of 1 holds.
  expect_equal(compute_design_effect(c(1, 0, 1, 0, 1, 0), c("a", "a", "b", "b", "c", "c")), 1)
  # All successes: completely dependent lesions, (4 + 1) / 3.
  expect_equal(compute_design_effect(c(1, 1, 1), c("a", "a", "b")), 5 / 3)
  expect_true(is.na(compute_design_effect(logical(), character())))
})

test_that("a clustered proportion is Wilson at n / design effect", {
  row <- compute_clustered_proportion(c(1, 1, 0, 0, 1), c("a", "a", "b", "b", "c"))
  expect_equal(row$n_effective, 5 / 2.8)
  wilson <- compute_wilson_interval(0.6, 5 / 2.8)
  expect_equal(c(row$low, row$high), c(wilson$low, wilson$high))
  expect_identical(c(row$patients, row$n, row$successes), c(3, 5, 3))
  empty <- compute_clustered_proportion(logical(), character())
  expect_true(is.na(empty$proportion) && is.na(empty$low) && empty$n == 0)
})

test_that("the difference of proportions has Newcombe's interval", {
  # Newcombe 1998, Table II, method 10, contrast (a): 56/70 - 48/80, 0.0524 to 0.3339
  row <- compute_proportion_difference(56 / 70, 70, 48 / 80, 80)
  expect_equal(row$difference, 0.2)
  expect_equal(c(row$low, row$high), c(0.0524, 0.3339), tolerance = 1e-3)
})
