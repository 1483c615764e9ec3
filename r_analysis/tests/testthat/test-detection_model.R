results <- read_fixture()
chosen <- results$fold_thresholds

test_that("the odds ratio is that of doubling the diameter", {
  model <- compute_detection_model(results$lesion_detection, chosen)
  rows <- select_at_chosen(results$lesion_detection[results$lesion_detection$kind == "reference", ], chosen)
  fit <- stats::glm(matched ~ log(diameter_mm), stats::binomial(), rows)
  expect_equal(log(model$table$odds_ratio[1]), log(2) * unname(stats::coef(fit)[2]), tolerance = 1e-6)
  expect_identical(model$table$model, c("logistic regression, CR2", "mixed model"))
  expect_identical(model$table$n, rep(nrow(results$lesions), 2))
  expect_equal(range(model$curve$diameter_mm), range(rows$diameter_mm))
  expect_true(all(diff(model$curve$value) > 0))
})

test_that("the mixed model without spread between patients is the plain one", {
  set.seed(11)
  rows <- data.frame(patient_id = sprintf("P%02d", 1:60), matched = rep(c(0, 1, 1), 20))
  doublings <- ifelse(rows$matched == 1, 0.4, -0.4) + stats::rnorm(60)
  row <- fit_mixed_detection(doublings, rows, data.frame(patients = 60, n = 60, detected = 40))
  plain <- stats::glm(rows$matched ~ doublings, stats::binomial())
  if (grepl("no variation between patients", row$note)) {
    expect_equal(log(row$odds_ratio), unname(stats::coef(plain)[2]), tolerance = 1e-2)
  }
  expect_match(row$note, "SD between patients")
  expect_true(row$low < row$odds_ratio && row$odds_ratio < row$high)
})

test_that("what cannot be modelled is said", {
  at <- function(change) {
    detection <- results$lesion_detection
    compute_detection_model(change(detection), chosen)
  }
  expect_identical(at(function(d) transform(d, matched = 1))$note, "every reference lesion is detected")
  expect_identical(at(function(d) transform(d, matched = 0))$note, "no reference lesion is detected")
  expect_match(at(function(d) d[d$threshold == 0.1, ])$note, "no lesion at the thresholds")
  expect_match(at(function(d) d[d$patient_id %in% d$patient_id[1:2], ])$note, "every|too few|no reference")
  separated <- at(function(d) transform(d, matched = as.numeric(diameter_mm > 15)))
  expect_identical(separated$table$model[1], "bias-reduced logistic regression, CR2")
  expect_true(is.finite(separated$table$high[1]))
  expect_match(separated$table$note[2], "separated")
})
