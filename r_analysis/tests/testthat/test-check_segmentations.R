results <- read_two_segmentations()
told <- function(results) format_problems(check_segmentations(results))
spoil <- function(table, column, row, value) {
  results[[table]][[column]] <- as.character(results[[table]][[column]])
  results[[table]][[column]][row] <- value
  told(results)
}

test_that("two variants in all tables are sound, and so is one", {
  expect_identical(nrow(check_segmentations(results)), 0L)
  expect_identical(nrow(check_segmentations(read_fixture())), 0L)
})

test_that("the run's variants are those of the registry, with the article's own", {
  line <- which(results$run$key == "segmentation")
  expect_match(
    spoil("run", "value", line, "delayed three-phase other")[1],
    paste0("run.csv, column value, row ", line + 1, ": expected variants of variants.csv for segmentation, found")
  )
  expect_match(
    spoil("run", "value", line, "three-phase")[1],
    "expected delayed among the variants for segmentation, found 'three-phase'"
  )
})

test_that("a variant that the run does not have, and one that a table lacks, are told", {
  line <- which(results$run$key == "segmentation")
  one <- spoil("run", "value", line, "delayed")
  expect_match(one[1], "^dice_by_threshold.csv, column segmentation, rows .*: expected a segmentation variant of run")
  lacking <- results
  lacking$pixel_counts <- lacking$pixel_counts[lacking$pixel_counts$segmentation == "delayed", ]
  expect_identical(told(lacking), "pixel_counts.csv, column segmentation: expected rows of three-phase, found none")
})

test_that("reference regions have no variant, automatic ones have one", {
  row <- which(results$categories$roi == "reference_roi")[3]
  expect_identical(
    spoil("categories", "segmentation", row, "delayed"),
    sprintf("categories.csv, column segmentation, row %d: expected no segmentation variant, found 'delayed'", row + 1)
  )
  row <- which(results$features$roi == "automatic_roi")[3]
  expect_identical(
    spoil("features", "segmentation", row, NA),
    paste0(
      "features.csv, column segmentation, row ", row + 1,
      ": expected a segmentation variant of run.csv, found an empty cell"
    )
  )
})

test_that("fine-tuning names its variant, and nothing else does", {
  rows <- vapply(c("pretrain", "finetune", "characterization"), function(stage) {
    which(results$training_history$stage == stage)[1]
  }, integer(1))
  expect_match(spoil("training_history", "variant", rows[["pretrain"]], "delayed"), "expected no segmentation variant")
  expect_match(spoil("training_history", "variant", rows[["characterization"]], "delayed"), "expected no segmentation")
  expect_match(spoil("training_history", "variant", rows[["finetune"]], NA), "expected a segmentation variant of")
})

test_that("overlaps agree with the flags, and a patient's with the lesions'", {
  expect_identical(nrow(check_overlaps(results)), 0L)
  spoilt <- results
  row <- which(spoilt$lesion_detection$matched == 1 & spoilt$lesion_detection$kind == "predicted")[1]
  spoilt$lesion_detection$iou[row] <- 0
  expect_identical(
    format_problems(check_overlaps(spoilt)),
    sprintf("lesion_detection.csv, column matched, row %d: expected '0' as its iou says, found '1'", row + 1)
  )
  spoilt <- results
  row <- which(spoilt$patient_detection$detected == 1)[1]
  found <- spoilt$patient_detection$iou[row]
  spoilt$patient_detection$iou[row] <- found / 2
  expect_identical(format_problems(check_overlaps(spoilt)), sprintf(
    "patient_detection.csv, column iou, row %d: expected '%.6g' as lesion_detection.csv says, found '%.6g'", row + 1,
    found, found / 2
  ))
  unmeasured <- results
  unmeasured$lesion_detection$iou <- unmeasured$patient_detection$iou <- NA_real_
  expect_identical(nrow(check_overlaps(unmeasured)), 0L)
})
