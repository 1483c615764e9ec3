levels <- c("LR-3", "LR-4", "LR-5")
# Rows reference, columns predicted: 2 1 0 / 0 2 1 / 0 0 2
reference <- factor(rep(levels, c(3, 3, 2)), levels)
predicted <- factor(c("LR-3", "LR-3", "LR-4", "LR-4", "LR-4", "LR-5", "LR-5", "LR-5"), levels)
counts <- matrix(as.vector(table(reference, predicted)), 1)

test_that("weighted kappa follows the hand calculation", {
  # Disagreement: observed 2; expected (9 + 2 * 9 + 6 + 9 + 2 * 4 + 6) / 8 = 7 linear,
  # (9 + 4 * 9 + 6 + 9 + 4 * 4 + 6) / 8 = 10.25 quadratic
  expect_equal(compute_weighted_kappa(counts, "linear"), 1 - 2 / 7)
  expect_equal(compute_weighted_kappa(counts, "quadratic"), 1 - 2 / 10.25)
})

test_that("weighted kappa is 1, 0 and -1 where it should be", {
  diagonal <- matrix(as.vector(diag(3)), 1)
  expect_equal(compute_weighted_kappa(diagonal, "linear"), 1)
  expect_equal(compute_weighted_kappa(matrix(1, 1, 9), "linear"), 0)
  expect_equal(compute_weighted_kappa(matrix(c(0, 1, 1, 0), 1), "linear"), -1)
  expect_true(is.nan(compute_weighted_kappa(matrix(c(1, rep(0, 8)), 1), "linear")))
})

test_that("the bootstrap of kappa is the kappa of the lesions written out", {
  id <- c("a", "a", "b", "b", "c", "c", "d", "d")
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:4], group = "positive"), 60)
  ours <- compute_kappa(reference, predicted, id, weights, "linear")
  naive <- vapply(1:60, function(b) {
    rows <- rep(seq_along(id), weights[id, b])
    compute_weighted_kappa(matrix(as.vector(table(reference[rows], predicted[rows])), 1), "linear")
  }, numeric(1))
  expect_equal(ours$value, 5 / 7)
  expect_equal(unlist(ours[c("low", "high")]), unlist(compute_bootstrap_interval(naive)[c("low", "high")]))
})
