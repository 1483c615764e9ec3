counts <- data.frame(
  patient_id = c("a", "b", "n"), group = c("positive", "positive", "negative"), fold = c(0, 1, 0), threshold = 0.5,
  tp = c(8, 1, 0), fp = c(2, 0, 5), fn = c(2, 9, 0)
)
dice <- data.frame(patient_id = c("a", "b"), fold = 0:1, threshold = 0.5, dice = c(16 / 20, 2 / 11))
weights <- draw_patient_weights(counts, 200)

test_that("local and global Dice follow the hand calculation", {
  table <- compute_dice_table(dice, counts, weights)
  value <- stats::setNames(table$value, table$statistic)
  expect_equal(value[["average"]], (0.8 + 2 / 11) / 2)
  expect_equal(value[["median"]], (0.8 + 2 / 11) / 2)
  # 2 * 9 / (2 * 9 + 2 + 11) and, with the negative patient, 2 * 9 / (2 * 9 + 7 + 11)
  expect_equal(value[["global_positive"]], 18 / 31)
  expect_equal(value[["global_all"]], 18 / 36)
  expect_equal(
    stats::setNames(table$patients, table$statistic)[c("average", "global_all")], c(average = 2, global_all = 3)
  )
  # Both patients, either one twice: the average of a resample is one of three values.
  expect_equal(table$low[table$statistic == "average"], 2 / 11)
  expect_equal(table$high[table$statistic == "average"], 0.8)
})

test_that("the threshold of the early-stopping patients is each fold's own", {
  grid <- merge(dice[c("patient_id", "fold")], data.frame(threshold = c(0.4, 0.5)))
  grid$dice <- c(0.6, 0.2, 0.8, 0.5)
  counts <- merge(counts[counts$group == "positive", -4], data.frame(threshold = c(0.4, 0.5)))
  table <- compute_dice_table(grid, counts, weights)
  chosen <- data.frame(fold = 0:1, threshold_chosen = c(0.4, 0.5))
  rows <- compute_dice_at_chosen(grid, counts, chosen, table, weights)
  pick <- function(choice, statistic) rows[rows$choice == choice & rows$statistic == statistic, ]
  # Patient a (fold 0) at 0.4: 0.6; patient b (fold 1) at 0.5: 0.5; the best single threshold is 0.5: (0.8 + 0.5) / 2.
  expect_equal(pick("early_stopping_patients", "average")$value, 0.55)
  expect_equal(pick("early_stopping_patients", "average")$thresholds, "0.4, 0.5")
  expect_equal(pick("test_folds", "average")$value, 0.65)
  expect_equal(pick("test_folds", "average")$thresholds, "0.5")
  expect_equal(pick("early_stopping_patients", "global_positive")$patients, 2)
  without <- compute_dice_at_chosen(grid, counts[counts$threshold == 0.5, ], chosen, table, weights)
  expect_false("global_positive" %in% without$statistic[without$choice == "early_stopping_patients"])
})

test_that("the box plot has the 10th and 90th percentiles", {
  quantiles <- compute_dice_quantiles(data.frame(threshold = 0.5, dice = (0:10) / 10))
  expect_equal(unlist(quantiles[-(1:2)], use.names = FALSE), c(0.1, 0.25, 0.5, 0.75, 0.9))
})

test_that("Dice by size goes by the largest lesion", {
  lesions <- data.frame(patient_id = c("a", "a", "b"), diameter_mm = c(5, 20, 9.99))
  table <- compute_dice_by_size(dice, lesions)
  expect_identical(as.character(table$size), SIZE_STRATA[c(1, 3)])
  expect_equal(table$average, c(2 / 11, 0.8))
})

test_that("size strata are closed below", {
  expect_identical(as.integer(cut_size(c(9.999, 10, 19.999, 20, 164))), c(1L, 2L, 2L, 3L, 3L))
})
