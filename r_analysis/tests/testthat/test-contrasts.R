test_that("the sign-flip test approaches the exact distribution of all flips", {
  # Patient sums 3, 2, 1, 1, -1: of the 32 flips, those with |total| >= 6 are +-8 (all alike), +-6.
  id <- c("a", "a", "a", "b", "b", "c", "d", "e")
  differences <- c(1, 1, 1, 1, 1, 1, 1, -1)
  sums <- c(3, 2, 1, 1, -1)
  all_flips <- as.matrix(expand.grid(rep(list(c(-1, 1)), 5))) %*% sums
  exact <- mean(abs(all_flips) >= 6)
  expect_equal(exact, 8 / 32)
  expect_equal(compute_sign_flip(differences, id), exact, tolerance = 0.06)
  expect_identical(compute_sign_flip(differences, id), compute_sign_flip(differences[8:1], id[8:1]))
})

test_that("the sign-flip test is symmetric, never 0, and 1 where nothing differs", {
  id <- sprintf("P%02d", 1:30)
  expect_equal(compute_sign_flip(rep(1, 30), id), 1 / 10001)
  expect_identical(compute_sign_flip(rep(1, 30), id), compute_sign_flip(rep(-1, 30), id))
  expect_identical(compute_sign_flip(rep(0, 30), id), 1)
  expect_identical(compute_sign_flip(rep(c(1, -1), 15), rep(id[1:15], each = 2)), 1)
  expect_true(is.na(compute_sign_flip(numeric(), character())))
  # Many lesions of one patient are one observation.
  expect_equal(compute_sign_flip(rep(1, 30), rep("a", 30)), 1)
})

test_that("McNemar's exact test equals the binomial and known values", {
  # mcnemar.exact would give the same: binom.test(11, 11)$p.value = 2^-10, binom.test(2, 10)$p.value = 0.109375
  expect_equal(compute_mcnemar(11, 0), 2^-10)
  expect_equal(compute_mcnemar(2, 8), 0.109375)
  expect_equal(compute_mcnemar(c(0, 5), c(0, 5)), c(1, 1))
})

all_variants <- c(
  "vgg16-adaptive", "vgg16-plain", "resnet50-adaptive", "resnet50-plain", "direct-frozen", "direct-finetuned",
  "direct-finetuned-size"
)

test_that("all six contrasts are computed, and equal a plain count", {
  folder <- tempfile()
  write_fixture_results(folder, variants = all_variants)
  results <- read_results(folder, test_schema())
  weights <- draw_patient_weights(results$patients, 500)
  table <- compute_contrasts(results$categories, weights)
  expect_identical(nrow(table), 6L)
  expect_true(all(is.na(table$gap)))
  rows <- results$categories[results$categories$roi == "reference_roi", ]
  accuracy <- tapply(as.character(rows$category_pred) == as.character(rows$category_ref), rows$variant, mean)
  expect_equal(table$difference, as.vector(accuracy[table$first] - accuracy[table$second]))
  expect_equal(table$only_first - table$only_second, round(table$difference * table$n))
  expect_true(all(table$low <= table$difference & table$difference <= table$high))
  expect_equal(table$p_holm, stats::p.adjust(table$p, "holm"))
})

test_that("a missing variant is named, and the other adjusted p values do not gain by it", {
  results <- read_fixture()
  weights <- draw_patient_weights(results$patients, 200)
  table <- compute_contrasts(results$categories, weights)
  expect_identical(table$gap[3:5], c("direct-finetuned", "direct-finetuned-size", "direct-finetuned, direct-frozen"))
  expect_true(all(is.na(table$p_holm[3:5])))
  known <- !is.na(table$p)
  # Three of six p values, the smallest times six.
  expect_equal(min(table$p_holm, na.rm = TRUE), min(1, 6 * min(table$p, na.rm = TRUE)))
  expect_true(all(table$p_holm[known] >= stats::p.adjust(table$p[known], "holm")))
  empty <- compute_contrasts(results$categories[0, ], weights)
  expect_true(all(is.na(empty$difference)) && all(nzchar(empty$gap)))
})
