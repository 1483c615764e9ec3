# Two folds with thresholds 0.5 and 0.6; patients a (fold 0) and b (fold 1) with lesions, n (fold 1) without. Of a's
# lesions one overlaps well, one a little; b's is missed; each of b and n has a false component.
detection <- data.frame(
  threshold = c(rep(0.5, 4), rep(0.6, 3)), patient_id = c(rep("a", 4), "b", "b", "n"),
  group = c(rep("positive", 6), "negative"), fold = c(rep(0, 4), 1, 1, 1),
  kind = c("reference", "reference", "predicted", "predicted", "reference", "predicted", "predicted"),
  lesion_id = c("L1", "L2", "C1", "C2", "L1", "C1", "C1"), diameter_mm = c(25, 8, 24, 6, 12, 5, 5),
  matched = c(1, 1, 1, 1, 0, 0, 0), iou = c(0.7, 0.1, 0.7, 0.1, 0, 0, 0)
)
# At the thresholds that the folds did not choose everything is missed.
other <- transform(
  detection[detection$kind == "reference", ], threshold = ifelse(fold == 0, 0.6, 0.5), matched = 0, iou = 0
)
results <- list(
  patients = data.frame(patient_id = c("a", "b", "n"), group = c("positive", "positive", "negative")),
  fold_thresholds = data.frame(fold = 0:1, threshold_chosen = c(0.5, 0.6)),
  lesion_detection = rbind(detection, other),
  patient_detection = data.frame(
    threshold = c(0.5, 0.6, 0.6), patient_id = c("a", "b", "n"), group = c("positive", "positive", "negative"),
    fold = c(0, 1, 1), has_reference = c(1, 1, 0), has_prediction = 1, detected = c(1, 0, 0), iou = c(0.7, 0, 0)
  )
)
weights <- draw_patient_weights(results$patients, 200)

test_that("each rule has its own lesions, false lesions and patients, at each fold's threshold", {
  table <- compute_overlap_detection(results, weights)
  expect_identical(table$minimum_iou, c(0, 0.1, 0.5))
  # An overlap of a tenth is enough from a tenth on, and not from a half on.
  expect_equal(table$tp, c(2, 2, 1))
  expect_equal(table$fn, c(1, 1, 2))
  expect_equal(table$lesions, c(3, 3, 3))
  expect_equal(table$fp, c(2, 2, 3))
  expect_equal(table$recall, c(2, 2, 1) / 3)
  expect_equal(table$precision, c(1 / 2, 1 / 2, 1 / 4))
  expect_equal(table$false_per_patient, c(2, 2, 3) / 3)
  expect_equal(table$sensitivity, c(1, 1, 1) / 2)
  expect_equal(table$specificity, c(0, 0, 0))
  expect_equal(table$specificity_high, rep(compute_wilson_interval(0, 1)$high, 3))
  expect_identical(
    tabulate_overlap_detection(table)$table$`Detected if`,
    keep_together(c("any voxel", "IoU \u2265 0.1", "IoU \u2265 0.5"))
  )
})

test_that("a patient is detected by the rule, too", {
  strict <- results
  strict$patient_detection$iou[1] <- 0.3
  expect_equal(compute_overlap_detection(strict, weights)$sensitivity, c(1 / 2, 1 / 2, 0))
})

test_that("without measured overlaps any shared voxel is the only rule", {
  unmeasured <- results
  unmeasured$lesion_detection$iou <- NA
  unmeasured$patient_detection$iou <- NA
  table <- compute_overlap_detection(unmeasured, weights)
  expect_identical(table, compute_overlap_detection(results, weights)[1, ])
  expect_identical(unique(compute_free_response(unmeasured)$minimum_iou), 0)
})

test_that("detection that was not computed at a chosen threshold is not made up", {
  elsewhere <- results
  elsewhere$fold_thresholds$threshold_chosen <- c(0.5, 0.7)
  expect_null(compute_overlap_detection(elsewhere, weights))
  expect_null(compute_overlap_recall_by_size(elsewhere))
  expect_equal(nrow(tabulate_overlap_detection(NULL)$table), 0)
  expect_equal(nrow(tabulate_overlap_recall(NULL)$table), 0)
})

test_that("recall by diameter follows the rule", {
  table <- compute_overlap_recall_by_size(results)
  expect_equal(table$successes[table$minimum_iou == 0], c(1, 0, 1))
  expect_equal(table$successes[table$minimum_iou == 0.5], c(0, 0, 1))
  expect_equal(table$n, rep(1, 9))
  shown <- tabulate_overlap_recall(cbind(segmentation = "s", table))$table
  expect_identical(names(shown), c("Segmentation", "Detected if", SIZE_STRATA))
  shares <- sub(" \\[.*", "", gsub("\u00a0", " ", shown[["< 10 mm"]]))
  expect_identical(shares, c("1 / 1: 1.00", "1 / 1: 1.00", "0 / 1: 0.00"))
})

test_that("the free-response curve has the false lesions of all patients", {
  curve <- compute_free_response(results)
  at <- function(minimum_iou, threshold) curve[curve$minimum_iou == minimum_iou & curve$threshold == threshold, ]
  # At 0.5 fold 0 finds both lesions without a false one, and fold 1 nothing; at 0.6 the false ones of b and n are left.
  expect_equal(c(at(0, 0.5)$recall, at(0, 0.5)$false_per_patient), c(2 / 3, 0))
  expect_equal(c(at(0.5, 0.5)$recall, at(0.5, 0.5)$false_per_patient), c(1 / 3, 1 / 3))
  expect_equal(c(at(0, 0.6)$recall, at(0, 0.6)$false_per_patient), c(0, 2 / 3))
})

test_that("false lesions are counted for every patient", {
  expect_identical(count_false_lesions(detection, c("n", "x", "a", "b")), c(n = 1L, x = 0L, a = 0L, b = 1L))
})
