lesion_rows <- data.frame(
  threshold = 0.5, patient_id = c("a", "a", "b", "a", "a", "n"),
  group = c(rep("positive", 5), "negative"), fold = 0, kind = rep(c("reference", "predicted"), each = 3),
  lesion_id = c("L1", "L2", "L1", "C1", "C2", "C1"), diameter_mm = c(25, 8, 12, 24, 6, 5), matched = c(1, 0, 0, 1, 0, 0)
)

test_that("lesion-level counts follow the definitions", {
  table <- compute_lesion_detection(lesion_rows)
  only <- table[table$population == "positives_only", ]
  # Reference: 1 of 3 detected. Predicted: one touches a reference, one does not; the negative patient adds another.
  expect_equal(unlist(only[c("tp", "fp", "fn")], use.names = FALSE), c(1, 1, 2))
  expect_equal(only$recall, 1 / 3)
  expect_equal(only$precision, 1 / 2)
  with <- table[table$population == "with_negatives", ]
  expect_equal(unlist(with[c("tp", "fp", "fn")], use.names = FALSE), c(1, 2, 2))
  expect_equal(with$precision, 1 / 3)
  expect_equal(with$precision_components, 1 / 3)
})

test_that("a component that covers two lesions detects both", {
  rows <- lesion_rows
  rows$matched <- c(1, 1, 0, 1, 0, 0)
  only <- compute_lesion_detection(rows)[1, ]
  expect_equal(c(only$tp, only$precision, only$precision_components), c(2, 2 / 3, 1 / 2))
})

test_that("precision without any prediction is undefined, not 0 or 1", {
  missed <- lesion_rows[lesion_rows$kind == "reference", ]
  missed$matched <- 0
  table <- compute_lesion_detection(missed)
  expect_equal(table$recall, c(0, 0))
  expect_true(all(is.na(table$precision)))
})

patient_rows <- data.frame(
  threshold = 0.5, patient_id = c("a", "b", "c", "n", "m"), group = rep(c("positive", "negative"), 3:2), fold = 0,
  has_reference = c(1, 1, 1, 0, 0), has_prediction = c(1, 1, 0, 1, 0), detected = c(1, 0, 0, 0, 0)
)

test_that("patient-level counts follow the definitions", {
  table <- compute_patient_detection(patient_rows)
  only <- table[table$population == "positives_only", ]
  expect_equal(c(only$tp, only$fp, only$fn, only$recall, only$precision), c(1, 0, 2, 1 / 3, 1))
  expect_true(only$precision_by_construction)
  expect_true(is.na(only$specificity))
  with <- table[table$population == "with_negatives", ]
  expect_equal(c(with$tp, with$fp, with$fn, with$precision, with$specificity), c(1, 1, 2, 1 / 2, 1 / 2))
  expect_false(with$precision_by_construction)
  expect_match(describe_construction(table), "1 by construction: positive patients only")
  expect_identical(describe_construction(with), "")
})

test_that("a positive patient without reference lesion can be a false positive", {
  rows <- patient_rows
  rows[3, c("has_reference", "has_prediction")] <- c(0, 1)
  only <- compute_patient_detection(rows)[1, ]
  expect_equal(c(only$tp, only$fp, only$fn), c(1, 1, 1))
  expect_false(only$precision_by_construction)
})

test_that("detection by size counts reference lesions only", {
  table <- compute_detection_curves(lesion_rows)
  expect_identical(as.character(table$size), SIZE_STRATA)
  expect_equal(table$successes, c(0, 0, 1))
  expect_equal(table$n, c(1, 1, 1))
})

test_that("detection at chosen thresholds needs all of them", {
  chosen <- data.frame(fold = 0, threshold_chosen = 0.5)
  expect_equal(sum(compute_recall_by_size(lesion_rows, chosen)$n), 3)
  expect_equal(NROW(compute_recall_by_size(lesion_rows, data.frame(fold = 0, threshold_chosen = 0.6))), 0)
})
