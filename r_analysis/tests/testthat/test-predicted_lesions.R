# Two patients with HCC, two without. P1: LR-5 found and called LR-5, and beside it a false LR-4 on a cyst. P2: LR-4
# barely touched (IoU 0.05) and called LR-5. N1: a false LR-5 on nothing known and a false LR-3. N2: nothing.
levels <- c("LR-3", "LR-4", "LR-5")
patients <- data.frame(
  patient_id = c("N1", "N2", "P1", "P2"), group = rep(c("negative", "positive"), each = 2), fold = 0
)
lesions <- data.frame(
  patient_id = c("P1", "P2"), lesion_id = "L1", fold = 0, category_ref = factor(c("LR-5", "LR-4"), levels)
)
predicted <- data.frame(
  variant = "net", fold = 0, patient_id = c("N1", "N1", "P1", "P1", "P2"), lesion_id = c("A", "B", "A", "B", "A"),
  iou = c(0, 0, 0.6, 0, 0.05), reference_lesion_id = c(NA, NA, "L1", NA, "L1"),
  category_ref = factor(c(NA, NA, "LR-5", NA, "LR-4"), levels), finding = c(NA, NA, NA, "cyst", NA),
  category_pred = factor(c("LR-5", "LR-3", "LR-5", "LR-4", "LR-5"), levels)
)
results <- list(patients = patients, lesions = lesions, predicted_lesions = predicted)
weights <- draw_patient_weights(patients, 200)
replace_predicted <- function(table) replace(results, "predicted_lesions", list(table))
correct <- list(highest = c(`P1 | L1` = TRUE, `P2 | L1` = FALSE), net = c(`P1 | L1` = TRUE, `P2 | L1` = FALSE))

test_that("everything that is predicted counts", {
  rows <- compute_automatic_path(results, correct, "net", weights)
  of <- function(quantity) unlist(rows[rows$quantity == quantity, c("count", "n", "value")], use.names = FALSE)
  expect_equal(of("accuracy"), c(1, 2, 0.5))
  expect_equal(of("accuracy_highest"), c(1, 2, 0.5))
  expect_false("accuracy_size" %in% rows$quantity)
  expect_equal(of("highest_right"), c(1, 3, 1 / 3))
  expect_equal(of("highest_right_iou"), c(1, 3, 1 / 3))
  expect_equal(of("highest_false"), c(1, 3, 1 / 3))
  expect_equal(of("negatives_with_highest"), c(1, 2, 0.5))
  expect_equal(of("negatives_with_two_highest"), c(1, 2, 0.5))
  expect_equal(of("false_lesions"), c(3, 4, 3 / 4))
  expect_equal(of("false_highest"), c(1, 4, 1 / 4))
  interval <- rows[rows$quantity == "negatives_with_highest", c("low", "high")]
  expect_equal(unlist(interval), unlist(compute_wilson_interval(0.5, 2)))
})

test_that("a lesion that is barely touched is right by any voxel and wrong by overlap", {
  touched <- transform(results$predicted_lesions, category_pred = replace(category_pred, 5, "LR-4"))
  touched$category_pred[3] <- "LR-4"
  touched$category_ref[5] <- "LR-5"
  touched$category_pred[5] <- "LR-5"
  rows <- compute_automatic_path(replace_predicted(touched), correct, "net", weights)
  expect_equal(rows$value[rows$quantity == "highest_right"], 1 / 2)
  expect_equal(rows$value[rows$quantity == "highest_right_iou"], 0)
})

test_that("results without predicted lesions, or without any of the highest category, say what they can", {
  old <- compute_automatic_path(results[c("patients", "lesions")], correct, "net", weights)
  expect_identical(old$quantity, c("accuracy", "accuracy_highest"))
  expect_null(compute_automatic_path(results[c("patients", "lesions")], list(), "net", weights))
  expect_null(count_false_by_finding(results, "another", weights))
  low <- replace_predicted(predicted[predicted$category_pred != "LR-5", ])
  rows <- compute_automatic_path(low, correct, "net", weights)
  expect_true(is.na(rows$value[rows$quantity == "highest_right"]))
  expect_equal(rows$value[rows$quantity == "negatives_with_two_highest"], 0)
})

test_that("false lesions are counted by what they lie on", {
  rows <- count_false_by_finding(results, "net", weights)
  expect_identical(rows$finding, c("cyst", NA))
  expect_equal(rows$false_lesions, c(1, 2))
  expect_equal(rows$per_patient, c(0.25, 0.5))
  expect_equal(unname(as.matrix(rows[levels])), rbind(c(0, 1, 0), c(1, 0, 1)))
})

test_that("the tables show them, a column a segmentation variant", {
  rows <- compute_automatic_path(results, correct, "net", weights)
  fewer <- rows[rows$quantity != "false_highest", ]
  both <- rbind(cbind(segmentation = "own", rows), cbind(segmentation = "further", fewer))
  table <- tabulate_automatic_path(both, "net", rev(levels))$table
  expect_identical(names(table), c("End to end", "own", "further"))
  expect_match(table$own[1], "^50.0.*[(]1./.2[)]$")
  expect_identical(table$further[nrow(table)], "\u2013")
  expect_match(table$own[nrow(table) - 1], "^0.75.[[]")
  expect_match(table[["End to end"]][3], "all lesions called LR-5")
  false <- cbind(segmentation = "own", count_false_by_finding(results, "net", weights))
  shown <- tabulate_false_lesions(false, rev(levels))
  expect_identical(shown$table[["Lies on"]], c("cyst", "none that is known"))
  expect_identical(names(shown$table)[5], "Called LR-5")
  expect_equal(nrow(tabulate_automatic_path(NULL, "net", rev(levels))$table), 0)
  expect_equal(nrow(tabulate_false_lesions(NULL, rev(levels))$table), 0)
})

test_that("what contradicts lesions or detection is told", {
  fixture <- read_fixture()
  spoil <- function(column, row, value) {
    spoilt <- fixture
    spoilt$predicted_lesions[[column]][row] <- value
    check_predicted_lesions(spoilt)
  }
  expect_equal(nrow(check_predicted_lesions(fixture)), 0)
  on <- which(!is.na(fixture$predicted_lesions$reference_lesion_id))[1]
  expect_identical(spoil("reference_lesion_id", on, "L99")$column, "reference_lesion_id")
  other <- setdiff(levels, as.character(fixture$predicted_lesions$category_ref[on]))[1]
  expect_identical(spoil("category_ref", on, other)$column, "category_ref")
  expect_identical(spoil("reference_lesion_id", on, NA)$column, "category_ref")
  expect_setequal(spoil("iou", on, 0)$column, "iou")
  missing <- spoil("lesion_id", on, "another")
  expect_setequal(missing$column, c("variant + segmentation + patient_id + lesion_id", "lesion_id"))
  half <- fixture
  half$predicted_lesions <- half$predicted_lesions[-1, ]
  expect_equal(nrow(check_predicted_lesions(half)), 1)
})
