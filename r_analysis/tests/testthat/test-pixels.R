results <- read_fixture()
weights <- draw_patient_weights(results$patients, 300)
table <- compute_pixel_table(results$pixel_counts, weights)

test_that("voxel rates follow a plain count", {
  at <- results$pixel_counts[results$pixel_counts$threshold == 0.5 & results$pixel_counts$group == "positive", ]
  row <- table[table$population == "positives_only" & table$threshold == 0.5, ]
  expect_equal(row$recall, sum(at$tp) / sum(at$tp + at$fn))
  expect_equal(row$precision, sum(at$tp) / sum(at$tp + at$fp))
  expect_equal(row$specificity, sum(at$tn) / sum(at$tn + at$fp))
  expect_equal(row$patients, length(unique(at$patient_id)))
  expect_true(all(table$recall_low <= table$recall & table$recall <= table$recall_high, na.rm = TRUE))
})

test_that("the interval is that of the resampled patients, and nothing predicted has no precision", {
  row <- table[table$population == "with_negatives" & table$threshold == 0.5, ]
  at <- results$pixel_counts[results$pixel_counts$threshold == 0.5, ]
  at <- at[match(rownames(weights), at$patient_id), ]
  drawn <- colSums(weights * at$tp) / colSums(weights * (at$tp + at$fp))
  expect_equal(c(row$precision_low, row$precision_high), unname(stats::quantile(drawn, c(0.025, 0.975))))
  none <- transform(results$pixel_counts, tp = 0, fp = 0)
  expect_true(all(is.na(compute_pixel_table(none, weights)$precision)))
})
