test_that("separation of one covariate is found exactly", {
  expect_true(is_separated(1:6, c(0, 0, 0, 1, 1, 1)))
  expect_true(is_separated(6:1, c(0, 0, 0, 1, 1, 1)))
  # Quasi-complete: both outcomes at the cut itself.
  expect_true(is_separated(c(1, 2, 3, 3, 4), c(0, 0, 0, 1, 1)))
  expect_false(is_separated(c(1, 3, 2, 4), c(0, 0, 1, 1)))
  expect_true(is_separated(1:3, c(1, 1, 1)))
})

x <- c(1.2, 0.3, -0.5, 2.1, 1.7, 0.1, -1.1, 0.4, 0.9, -0.2, 1.5, -0.7)
outcome <- c(1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1)
id <- c("a", "a", "b", "b", "b", "c", "d", "d", "e", "f", "g", "g")

test_that("the fit is glm's, with clubSandwich's CR2 errors", {
  model <- fit_cluster_robust(x, outcome, id)
  expect_identical(model$method, "logistic regression")
  fit <- stats::glm(outcome ~ x, stats::binomial())
  expect_equal(model$coefficients$estimate, unname(stats::coef(fit)), tolerance = 1e-8)
  test <- as.data.frame(clubSandwich::coef_test(fit, clubSandwich::vcovCR(fit, id, type = "CR2")))
  expect_equal(model$coefficients$p, test$p_Satt, tolerance = 1e-8)
  half <- stats::qt(0.975, model$coefficients$df) * test$SE
  expect_equal(model$coefficients$high - model$coefficients$estimate, half, tolerance = 1e-8)
})

test_that("CR2 follows its definition: residuals of each patient times the inverse root of their adjusted variance", {
  # Pustejovsky and Tipton 2018, eqs. 6 and 7, on the scale of the response; independent of clubSandwich.
  fit <- stats::glm(outcome ~ x, stats::binomial())
  share <- stats::fitted(fit)
  variance <- share * (1 - share)
  design <- stats::model.matrix(fit) * variance
  bread <- solve(crossprod(design / sqrt(variance)))
  meat <- matrix(0, 2, 2)
  for (patient in unique(id)) {
    rows <- which(id == patient)
    own <- design[rows, , drop = FALSE]
    diagonal <- function(values) diag(values, length(rows))
    root <- diagonal(sqrt(variance[rows]))
    adjusted <- root %*% (diagonal(variance[rows]) - own %*% bread %*% t(own)) %*% root
    parts <- eigen((adjusted + t(adjusted)) / 2)
    inverse_root <- parts$vectors %*% diagonal(1 / sqrt(parts$values)) %*% t(parts$vectors)
    residual <- (outcome - share)[rows]
    score <- t(own) %*% diagonal(1 / variance[rows]) %*% root %*% inverse_root %*% root %*% residual
    meat <- meat + tcrossprod(score)
  }
  ours <- unname(as.matrix(fit_cluster_robust(x, outcome, id)$vcov))
  # glm stops when the deviance does, so that its weights are a little behind its coefficients.
  expect_lt(max(abs(ours - unname(bread %*% meat %*% bread))), 1e-5)
})

test_that("separated outcomes have a finite, bias-reduced fit", {
  separated <- as.numeric(x > 0.2)
  model <- fit_cluster_robust(x, separated, id)
  expect_identical(model$method, "bias-reduced logistic regression")
  expect_true(all(is.finite(unlist(model$coefficients))))
  expect_gt(model$coefficients$estimate[2], 0)
  # Firth's fit of a 2 x 2 table is that of a table with 1/2 added to each cell: log(4.5 / 0.5 * 3.5 / 0.5)
  group <- rep(0:1, c(4, 3))
  fit <- fit_cluster_robust(group, c(0, 0, 0, 0, 1, 1, 1), letters[1:7])
  expect_equal(fit$coefficients$estimate[2], log(9 * 7), tolerance = 1e-5)
})

test_that("fitted probabilities lie between their limits, and are glm's", {
  model <- fit_cluster_robust(x, outcome, id)
  curve <- predict_cluster_robust(model, c(-1, 0, 2))
  expect_equal(curve$value, unname(stats::predict(model$fit, data.frame(x = c(-1, 0, 2)), type = "response")))
  expect_true(all(curve$low < curve$value & curve$value < curve$high))
  # At x = 0 the spread is the intercept's.
  se <- sqrt(model$vcov[1, 1])
  high <- stats::plogis(model$coefficients$estimate[1] + stats::qt(0.975, min(model$coefficients$df)) * se)
  expect_equal(curve$high[2], high)
})
