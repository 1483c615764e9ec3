results <- read_fixture()
weights <- draw_patient_weights(results$patients, 50)
table <- compute_accuracy_table(results$categories, weights)

test_that("accuracies equal a plain count, and missed lesions are errors end to end", {
  for (variant in unique(table$variant)) {
    rows <- results$categories[results$categories$variant == variant, ]
    automatic <- rows[rows$roi == "automatic_roi", ]
    right <- sum(as.character(automatic$category_pred) == as.character(automatic$category_ref), na.rm = TRUE)
    of <- function(scoring) table[table$variant == variant & table$scoring == scoring, ]
    expect_equal(of("detected_lesions")$proportion, right / sum(automatic$detected))
    expect_equal(of("end_to_end")$proportion, right / nrow(results$lesions))
    expect_equal(of("end_to_end")$missed, sum(automatic$detected == 0))
    reference <- rows[rows$roi == "reference_roi", ]
    expect_equal(of("reference_regions")$successes, sum(reference$category_pred == reference$category_ref))
    expect_equal(
      of("reference_regions")$successes + of("reference_regions")$overcategorized +
        of("reference_regions")$undercategorized, nrow(results$lesions)
    )
  }
  expect_gt(sum(table$missed), 0)
})

test_that("over-categorization is a predicted category above the reference", {
  rows <- data.frame(
    variant = factor("v"), roi = factor("reference_roi"), patient_id = letters[1:3], detected = 1,
    category_ref = factor(c("LR-3", "LR-4", "LR-5"), c("LR-3", "LR-4", "LR-5")),
    category_pred = factor(c("LR-5", "LR-5", "LR-3"), c("LR-3", "LR-4", "LR-5"))
  )
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:3], group = "positive"), 20)
  row <- compute_accuracy_table(rows, weights)
  expect_equal(c(row$overcategorized, row$undercategorized, row$successes), c(2, 1, 0))
})

test_that("confusion matrices hold every lesion once", {
  confusion <- compute_confusion(results$categories)
  sums <- tapply(confusion$n, paste(confusion$variant, confusion$scoring), sum)
  expect_true(all(sums[grepl("reference_regions|end_to_end", names(sums))] == nrow(results$lesions)))
  expect_true("missed" %in% confusion$category_pred[confusion$scoring == "end_to_end"])
  expect_false("missed" %in% confusion$category_pred[confusion$scoring != "end_to_end"])
  shares <- tapply(confusion$row_share, paste(confusion$variant, confusion$scoring, confusion$category_ref), sum)
  expect_true(all(is.na(shares) | abs(shares - 1) < 1e-12))
})

test_that("shares of over-, under-categorised and neighbouring errors follow a plain count", {
  shifts <- compute_shifts(results$categories)
  row <- shifts[shifts$variant == "vgg16-plain" & shifts$scoring == "detected_lesions", ]
  lesions <- results$categories[
    results$categories$variant == "vgg16-plain" & results$categories$roi == "automatic_roi" &
      results$categories$detected == 1,
  ]
  shift <- as.integer(lesions$category_pred) - as.integer(lesions$category_ref)
  expect_equal(c(row$over, row$under), c(mean(shift > 0), mean(shift < 0)))
  expect_equal(row$neighbour, sum(abs(shift) == 1) / sum(shift != 0))
})

test_that("the half split and the seeds follow a plain count", {
  half <- results$half_split
  table <- compute_half_split(half)
  row <- table[table$variant == "vgg16-plain" & table$roi == "automatic_roi", ]
  mine <- half[half$variant == "vgg16-plain" & half$roi == "automatic_roi", ]
  right <- sum(as.character(mine$category_pred) == as.character(mine$category_ref), na.rm = TRUE)
  expect_equal(c(row$successes, row$n), c(right, nrow(mine)))
  seeds <- compute_seed_table(results$seed_accuracy)
  mine <- results$seed_accuracy[results$seed_accuracy$variant == "vgg16-plain", ]
  mine <- mine$accuracy[mine$roi == "reference_roi"]
  row <- seeds[seeds$variant == "vgg16-plain" & seeds$roi == "reference_roi", ]
  expect_equal(c(row$seeds, row$mean, row$sd, row$highest), c(3, mean(mine), stats::sd(mine), max(mine)))
  expect_null(compute_half_split(NULL))
  expect_null(compute_seed_table(NULL))
})

test_that("variants that are not in the run are named", {
  gaps <- find_gaps(results$categories)
  expect_setequal(unique(gaps$variant), c("direct-frozen", "direct-finetuned", "direct-finetuned-size"))
  without <- results$categories[
    !(results$categories$variant == "vgg16-plain" & results$categories$roi == "automatic_roi"),
  ]
  expect_true(any(find_gaps(without)$variant == "vgg16-plain" & find_gaps(without)$roi == "automatic_roi"))
})

test_that("baselines are learnt on the other folds", {
  levels <- c("LR-3", "LR-4", "LR-5")
  lesions <- data.frame(
    patient_id = letters[1:6], fold = c(0, 0, 0, 1, 1, 1), diameter_mm = c(5, 30, 30, 6, 40, 15),
    category_ref = factor(c("LR-3", "LR-5", "LR-5", "LR-4", "LR-5", "LR-3"), levels)
  )
  weights <- draw_patient_weights(data.frame(patient_id = letters[1:6], group = "positive"), 20)
  table <- compute_baselines(lesions, weights)
  # Fold 0 learns from LR-4, LR-5, LR-3, a tie that goes to LR-3: right for the first lesion only.
  # Fold 1 learns LR-5 (2 of 3): right once.
  expect_equal(table$successes[table$baseline == "majority"], 2)
  # Size: fold 0 has 5 mm -> LR-4 (wrong), 30 mm -> LR-5 (right twice).
  # Fold 1 has 6 mm -> LR-3 (wrong), 40 mm -> LR-5 (right), and 15 mm, of which fold 0 has none: its most frequent
  # category LR-5 (wrong).
  expect_equal(table$successes[table$baseline == "size_only"], 3)
})

test_that("a lesion without a category is an error of accuracy, and has no direction", {
  results <- make_fixture_results()
  categories <- results$categories[results$categories$roi == "reference_roi", ]
  levels <- c("LR-3", "LR-4", "LR-5")
  for (column in c("category_ref", "category_pred")) {
    categories[[column]] <- factor(categories[[column]], levels)
  }
  categories$variant <- factor(categories$variant)
  mine <- which(categories$variant == "vgg16-adaptive")
  right <- mine[as.character(categories$category_pred[mine]) == as.character(categories$category_ref[mine])]
  bare <- categories
  bare$category_pred[right[1]] <- NA
  expect_identical(sum(find_correct(bare, "vgg16-adaptive")), length(right) - 1L)
  expect_false(anyNA(find_correct(bare, "vgg16-adaptive")))
  expect_no_warning(shifts <- compute_shifts(bare))
  expect_equal(shifts$n[shifts$variant == "vgg16-adaptive"][1], length(mine) - 1)
  expect_no_warning(claim <- claim_neighbours(bare, "vgg16-adaptive"))
  expect_identical(claim$note, claim_neighbours(categories, "vgg16-adaptive")$note)
  confusion <- compute_confusion(bare)
  here <- confusion$variant == "vgg16-adaptive" & confusion$scoring == "reference_regions"
  expect_equal(sum(confusion$n[here]), length(mine))
  expect_equal(sum(confusion$n[here & confusion$category_pred == "missed"]), 1)
})
