test_that("DeLong's interval equals the published variance, by hand", {
  # Present 0.9 0.8 0.4, absent 0.7 0.3 0.2: AUC 8/9. Placement values of the present: 1 1 2/3, of the absent: 2/3 1 1;
  # their variances are 1/27 each, and a third of both together is the area's.
  lesions <- data.frame(reference = rep(1:0, each = 3), probability = c(0.9, 0.8, 0.4, 0.7, 0.3, 0.2))
  interval <- compute_delong(lesions)
  half <- stats::qnorm(0.975) * sqrt(2 / 81)
  expect_equal(interval$low, 8 / 9 - half, tolerance = 1e-8)
  expect_equal(interval$high, 1)
  # A perfect area, and one lesion of a kind, have no variance.
  expect_true(is.na(compute_delong(transform(lesions, probability = 6:1))$low))
  expect_true(is.na(compute_delong(lesions[3:6, ])$low))
})

test_that("plain intervals stand beside the others, and are no wider than they for accuracies", {
  results <- read_fixture()
  analysis <- run_analysis(results, read_paper_results(paper_path))
  table <- get_estimate(analysis, "ignoring_clustering")
  accuracy <- table[table$quantity == "accuracy", ]
  wilson <- compute_wilson_interval(accuracy$value, nrow(results$lesions))
  expect_equal(accuracy$plain_low, wilson$low)
  expect_true(all(accuracy$plain_high - accuracy$plain_low <= accuracy$high - accuracy$low + 1e-12))
  expect_setequal(table$plain_method, c("Wilson", "McNemar's exact test", "DeLong"))
  expect_equal(sum(table$quantity == "difference of accuracies"), sum(is.na(get_estimate(analysis, "contrasts")$gap)))
})
