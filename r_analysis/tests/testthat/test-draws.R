rows <- collect_made(make_small_draws())
weights <- draw_weights_of_draws(rows)
of <- function(rows, draw, segmentation = "delayed") {
  rows[rows$draw == draw & rows$segmentation == segmentation & rows$condition == "as_acquired", ]
}

test_that("each draw has the counts and shares of its own patients", {
  table <- compute_draw_table(rows, weights)
  expect_identical(table$draw, c("cross_validation", "fresh", "shifted"))
  expect_identical(table$patients, c(4L, 3L, 2L))
  expect_identical(table$with_lesion, c(2L, 2L, 1L))
  expect_equal(table$average, c(0.75, 0.2, 0.3))
  expect_equal(table$median, c(0.75, 0.2, 0.3))
  # Detected of the reference lesions: 2 of 3, 1 of 4, 1 of 1.
  expect_equal(table$recall, c(2 / 3, 1 / 4, 1))
  # Detected lesions of these and the components that belong to none: 2 of 2 + 1 + 1, 1 of 1 + 2, 1 of 1 + 2 + 3. That
  # one lesion is found by two components counts once.
  expect_equal(table$precision, c(2 / 4, 1 / 3, 1 / 6))
  expect_equal(table$false_per_patient, c(2 / 4, 2 / 3, 5 / 2))
  expect_equal(table$sensitivity, c(2 / 2, 1 / 2, 1 / 1))
  expect_equal(table$specificity, c(1 / 2, 1 / 1, 0 / 1))
  expect_equal(table$tp, c(2, 1, 1))
  expect_equal(table$fp, c(2, 2, 5))
  expect_equal(table$fn, c(1, 3, 0))
})

test_that("intervals of shares are Wilson's over the design effect, those of means the patient bootstrap's", {
  table <- compute_draw_table(rows, weights)[1, ]
  recall <- compute_clustered_proportion(c(1, 0, 1), c("A", "A", "B"))
  expect_equal(c(table$recall_low, table$recall_high), c(recall$low, recall$high))
  precision <- compute_clustered_proportion(c(1, 1, 0, 0), c("A", "B", "A", "D"))
  expect_equal(c(table$precision_low, table$precision_high), c(precision$low, precision$high))
  specificity <- compute_clustered_proportion(c(1, 0), c("C", "D"))
  expect_equal(c(table$specificity_low, table$specificity_high), c(specificity$low, specificity$high))
  # Two patients: both alike in half of the resamples.
  expect_equal(c(table$average_low, table$average_high), c(0.6, 0.9))
})

test_that("the cross-validation is resampled as everywhere else, and the draws apart from it", {
  patients <- data.frame(patient_id = c("A", "B", "C", "D"), group = rep(c("positive", "negative"), each = 2))
  own <- draw_patient_weights(patients)
  here <- weights[paste("cross_validation |", patients$patient_id), ]
  expect_identical(unname(here), unname(own[patients$patient_id, ]))
  expect_equal(unique(colSums(weights[c("fresh | A", "fresh | B"), ])), 2)
  expect_equal(unique(weights["fresh | C", ]), 1)
  expect_lt(abs(cor(weights["fresh | A", ], weights["cross_validation | A", ])), 0.05)
})

test_that("the gap is the fresh draw minus the cross-validation", {
  gaps <- compute_draw_gaps(rows, weights)
  expect_identical(gaps$measure, DRAW_MEASURES)
  expected <- c(
    average = 0.2 - 0.75, median = 0.2 - 0.75, recall = 1 / 4 - 2 / 3, precision = 1 / 3 - 1 / 2,
    false_per_patient = 2 / 3 - 1 / 2, sensitivity = 1 / 2 - 1, specificity = 1 - 1 / 2
  )
  expect_equal(gaps$difference, unname(expected[DRAW_MEASURES]))
  expect_equal(gaps$fresh - gaps$cross_validation, gaps$difference)
  expect_identical(which(!is.na(gaps$verdict)), 1L)
  weight <- function(draw, patient) weights[paste(draw, "|", patient), ]
  fresh <- (0.4 * weight("fresh", "A")) / 2
  own <- (0.6 * weight("cross_validation", "A") + 0.9 * weight("cross_validation", "B")) / 2
  expect_equal(c(gaps$low[1], gaps$high[1]), unname(quantile(fresh - own, c(0.025, 0.975))))
})

test_that("a planted gap is a failure, a null and a gap that is not sure are none", {
  plant <- function(loss, n, spread = 0.1) {
    dice <- 0.7 + seq(-spread, spread, length.out = n)
    made <- function(draw, dice) make_draw(draw, sprintf("P%02d", seq_len(n)), "positive", dice, 1, 1, 1, 1)
    rows <- collect_made(rbind(made("cross_validation", dice), made("fresh", dice - loss)))
    compute_draw_gaps(rows, draw_weights_of_draws(rows))[1, ]
  }
  failure <- plant(0.2, 40)
  expect_equal(failure$difference, -0.2)
  expect_lt(failure$high, -0.05)
  expect_identical(failure$verdict, "failure")
  null <- plant(0, 40)
  expect_equal(null$difference, 0)
  expect_true(null$low < 0 && null$high > 0)
  expect_identical(null$verdict, "no failure shown")
  # Few patients leave it open, and a loss below the margin is none, however sure.
  expect_identical(plant(0.2, 4, 0.3)$verdict, "no failure shown")
  small <- plant(0.04, 40, 0.001)
  expect_lt(small$high, 0)
  expect_identical(small$verdict, "no failure shown")
  expect_identical(judge_gap(c(-0.0501, -0.05, NA)), c("failure", "no failure shown", "no failure shown"))
})

test_that("a measure without a denominator has no difference", {
  none <- compute_measure_difference(of(rows, "shifted")[1, ], of(rows, "fresh"), "specificity", weights)
  expect_identical(c(none$first, none$difference, none$low), rep(NA_real_, 3))
  expect_equal(none$second, 1)
})

test_that("variants stand below one another, each with its own patients' counts", {
  further <- transform(make_small_draws("three-phase"), dice = dice / 2)
  both <- collect_made(rbind(make_small_draws(), further))
  table <- compute_draw_table(both, draw_weights_of_draws(both))
  expect_identical(table$segmentation, rep(c("delayed", "three-phase"), each = 3))
  expect_equal(table$average, c(0.75, 0.2, 0.3, 0.375, 0.1, 0.15))
  shown <- tabulate_draws(table)$table
  expect_identical(names(shown), c("Segmentation", "Measure", "cross-validation", "fresh draw", "shifted draw"))
  expect_identical(which(shown$Segmentation != ""), c(1L, 10L))
  expect_identical(shown$Segmentation[10], "three-phase")
  expect_identical(unlist(shown[10:11, 3:5], use.names = FALSE), c("4", "2", "3", "2", "2", "1"))
  expect_identical(substr(unlist(shown[12, 3:5], use.names = FALSE), 1, 5), c("0.375", "0.100", "0.150"))
  expect_identical(substr(shown[["fresh draw"]][5], 1, 4), "0.25")
  gaps <- tabulate_draw_gaps(compute_draw_gaps(both, draw_weights_of_draws(both)))$table
  expect_identical(sum(gaps$Verdict != ""), 2L)
})

test_that("only a virtual cohort with further draws has the chapter and its outputs", {
  chapter <- name_outputs(list_draw_outputs())
  paper <- read_paper_results(paper_path)
  results <- read_fixture()
  analysis <- run_analysis(results, paper, outputs = chapter)
  expect_true(has_draw_chapter(analysis))
  with_rows <- c("draw_rows", "draw_weights", "draw_gaps", "draw_table")
  expect_setequal(names(Filter(Negate(is.null), analysis$estimates)), with_rows)
  # Networks of one phase have no condition of a phase.
  expect_length(build_figures(analysis), 0)
  without <- results[names(results) != "draws"]
  expect_false(has_draw_chapter(run_analysis(without, paper, outputs = chapter)))
  results$run$value[results$run$key == "cohort"] <- "my hospital"
  elsewhere <- run_analysis(results, paper, outputs = chapter)
  expect_false(has_draw_chapter(elsewhere))
  expect_true(all(vapply(elsewhere$estimates, is.null, logical(1))))
})
