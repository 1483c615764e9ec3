levels_of <- c("LR-3", "LR-4", "LR-5")
# Sizes teach: below 20 mm LR-4 (folds 0 and 1 alike), from 20 mm on LR-5. The lesion of b is missed, that of c is
# measured too small.
lesions <- data.frame(
  patient_id = c("a", "b", "c", "d"), lesion_id = "L1", fold = c(0, 0, 1, 1), diameter_mm = c(15, 30, 30, 15),
  category_ref = factor(c("LR-4", "LR-5", "LR-5", "LR-4"), levels_of)
)
of_region <- function(roi, diameter_mm, detected, category_pred) {
  data.frame(
    variant = factor("net"), roi = roi, lesions[c("patient_id", "lesion_id", "fold")], diameter_mm = diameter_mm,
    category_ref = lesions$category_ref, category_pred = factor(category_pred, levels_of), detected = detected
  )
}
results <- list(lesions = lesions, categories = rbind(
  of_region("reference_roi", lesions$diameter_mm, 1, c("LR-4", "LR-5", "LR-5", "LR-4")),
  # In another order than the lesions.
  of_region("automatic_roi", c(15, NA, 12, 16), c(1, 0, 1, 1), c("LR-4", NA, "LR-5", "LR-3"))[c(3, 1, 4, 2), ]
))
better <- results
better$categories[better$categories$roi == "automatic_roi", c("diameter_mm", "detected", "category_pred")] <-
  results$categories[match(
    c("c", "a", "d", "b"), results$categories$patient_id
  ), c("diameter_mm", "detected", "category_pred")]
correct <- list(own = collect_end_to_end(results), further = collect_end_to_end(better))
weights <- draw_patient_weights(data.frame(patient_id = lesions$patient_id, group = "positive"), 500)

test_that("a missed lesion is an error of every method, and a size is the detected lesion's own", {
  named <- function(...) setNames(c(...), c("a | L1", "b | L1", "c | L1", "d | L1"))
  own <- correct$own
  expect_identical(names(own), c("highest", "size_only", "net"))
  expect_identical(own$highest, named(FALSE, FALSE, TRUE, FALSE))
  # c is LR-5, but 12 mm are LR-4 in the other fold.
  expect_identical(own$size_only, named(TRUE, FALSE, FALSE, TRUE))
  expect_identical(own$net[names(own$highest)], named(TRUE, FALSE, TRUE, FALSE))
  expect_identical(correct$further$size_only, named(TRUE, TRUE, TRUE, TRUE))
})

test_that("accuracies and paired differences are of all reference lesions", {
  table <- compute_end_to_end(correct)
  expect_identical(table$segmentation, rep(c("own", "further"), each = 3))
  expect_equal(table$proportion, c(1, 2, 2, 2, 4, 4) / 4)
  expect_equal(table$n, rep(4, 6))
  differences <- compute_end_to_end_differences(correct, "net", weights)
  of <- function(first_segmentation, first, second_segmentation, second) {
    differences$difference[
      differences$first_segmentation == first_segmentation & differences$first == first &
        differences$second_segmentation == second_segmentation & differences$second == second
    ]
  }
  expect_equal(of("further", "net", "own", "net"), 1 / 2)
  expect_equal(of("further", "highest", "own", "highest"), 1 / 4)
  expect_equal(of("further", "size_only", "own", "size_only"), 1 / 2)
  expect_equal(of("own", "net", "own", "highest"), 1 / 4)
  expect_equal(of("own", "net", "own", "size_only"), 0)
  expect_equal(of("further", "net", "further", "highest"), 1 / 2)
  expect_equal(nrow(differences), 3 + 2 + 2)
  # Two of four patients gain one lesion: the resampled difference is binomial.
  expect_equal(differences$low[3], unname(quantile(colSums(weights[c("b", "d"), ]) / 4, 0.025)))
  shown <- tabulate_end_to_end(table, "LR-5")$table
  expect_identical(shown$Method[1:3], c("LR-5 for every detected lesion", "size alone", "net"))
})

test_that("without automatic regions or without the main network there is nothing to compare", {
  none <- results
  none$categories <- none$categories[none$categories$roi == "reference_roi", ]
  nothing <- list(own = collect_end_to_end(none), further = collect_end_to_end(none))
  expect_identical(nothing$own, list())
  expect_null(compute_end_to_end(nothing))
  expect_null(compute_end_to_end_differences(nothing, "net", weights))
  expect_equal(nrow(tabulate_end_to_end(NULL, "LR-5")$table), 0)
  expect_equal(nrow(tabulate_end_to_end_pairs(NULL, "LR-5")$table), 0)
  expect_equal(nrow(compute_end_to_end_differences(correct, "another", weights)), 3)
})

test_that("a size that no other fold has takes the most frequent category, and no diameter none", {
  few <- lesions
  few$diameter_mm <- c(15, 5, 30, 15)
  # Fold 1 teaches LR-5 (30 mm) and LR-4 (15 mm), equally often: the lower one where the size was not seen.
  expect_identical(predict_size_only(few, c(NA, 5, 15, 30))[1:2], c(NA, "LR-4"))
})
