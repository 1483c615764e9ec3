draw <- function(columns) matrix(stats::rnorm(3 * columns), 3)

test_that("what is drawn does not depend on the cores, and a longer draw goes on where a shorter one ends", {
  one <- draw_in_streams(70, draw, seed = 5, chunk = 20)
  expect_identical(dim(one), c(3L, 70L))
  expect_false(anyDuplicated(as.vector(one)) > 0)
  old <- options(lirads.cores = 2)
  two <- draw_in_streams(70, draw, seed = 5, chunk = 20)
  weights <- draw_patient_weights(data.frame(patient_id = letters, group = "positive"), 1200)
  options(old)
  expect_identical(one, two)
  expect_identical(draw_in_streams(25, draw, seed = 5, chunk = 20), one[, 1:25])
  expect_identical(weights, draw_patient_weights(data.frame(patient_id = letters, group = "positive"), 1200))
})

test_that("the streams are those of the parallel package", {
  kind <- RNGkind()
  RNGkind("L'Ecuyer-CMRG", "Inversion", "Rejection")
  set.seed(5)
  first <- .Random.seed
  expected <- stats::rnorm(3)
  assign(".Random.seed", parallel::nextRNGStream(first), envir = globalenv())
  expected <- cbind(expected, stats::rnorm(3), deparse.level = 0)
  RNGkind(kind[1], kind[2], kind[3])
  expect_identical(draw_in_streams(2, draw, seed = 5, chunk = 1), expected)
})

test_that("results come in order, and an error in a process is an error", {
  for (cores in 1:2) {
    old <- options(lirads.cores = cores)
    expect_identical(compute_in_parallel(1:5, function(i) if (i == 3) NULL else i^2), list(1, 4, NULL, 16, 25))
    expect_identical(names(compute_in_parallel(c(a = 1, b = 2), identity)), c("a", "b"))
    expect_error(compute_in_parallel(1:3, function(i) if (i == 2) stop("no such thing") else i), "no such thing")
    options(old)
  }
})
