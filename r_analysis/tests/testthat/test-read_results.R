# Each case spoils one thing of the fixture and says what must be told of it.
spoil <- function(file, change) {
  folder <- tempfile()
  dir.create(folder)
  file.copy(list.files("fixture", full.names = TRUE), folder)
  path <- file.path(folder, file)
  lines <- readLines(path)
  writeLines(change(lines), path)
  folder
}

problems_of <- function(folder) {
  error <- tryCatch(read_results(folder, test_schema()), input_error = identity)
  expect_s3_class(error, "input_error")
  error
}

set_cell <- function(line, column, value) {
  function(lines) {
    header <- strsplit(lines[1], ",")[[1]]
    cells <- strsplit(paste0(lines[line], ",\r"), ",")[[1]]
    cells[match(column, header)] <- value
    lines[line] <- paste(cells[-length(cells)], collapse = ",")
    lines
  }
}

expect_problem <- function(file, change, message) {
  expect_match(conditionMessage(problems_of(spoil(file, change))), message, fixed = TRUE)
}

test_that("the fixture is sound and typed", {
  results <- read_fixture()
  expect_identical(levels(results$lesions$category_ref), c("LR-3", "LR-4", "LR-5"))
  expect_type(results$features$reference, "integer")
  expect_type(results$pixel_counts$tn, "double")
  expect_true(anyNA(results$categories$category_pred))
})

test_that("further columns are kept, as text", {
  folder <- spoil("patients.csv", function(lines) paste0(lines, c(",note", rep(",kept", length(lines) - 1))))
  expect_identical(unique(read_results(folder, test_schema())$patients$note), "kept")
})

test_that("a missing file, an empty one and other bytes are told", {
  folder <- spoil("lesions.csv", identity)
  file.remove(file.path(folder, "lesions.csv"))
  expect_match(conditionMessage(problems_of(folder)), "lesions.csv: expected a file, found none", fixed = TRUE)
  writeLines(character(), file.path(folder, "lesions.csv"))
  expect_match(conditionMessage(problems_of(folder)), "lesions.csv: expected a header and rows", fixed = TRUE)
  writeBin(as.raw(c(0x61, 0xff, 0x0a)), file.path(folder, "lesions.csv"))
  expect_match(conditionMessage(problems_of(folder)), "lesions.csv: expected UTF-8 text", fixed = TRUE)
  expect_error(read_results(tempfile(), test_schema()), "expected a folder of results CSVs", class = "input_error")
})

test_that("variants are read as text and flags, and give the other files their levels and order", {
  results <- read_fixture()
  expect_identical(unname(vapply(results$variants, typeof, "")), replace(rep("character", 9), 5:6, "integer"))
  expect_identical(levels(results$features$variant), results$variants$variant[results$variants$kind == "features"])
  expect_identical(
    levels(results$categories$variant), results$variants$variant[results$variants$kind %in% c("features", "direct")]
  )
  # Another order of the rows of variants.csv is another order of the levels.
  turned <- read_results(spoil("variants.csv", function(lines) lines[c(1, rev(seq_along(lines)[-1]))]), test_schema())
  expect_identical(levels(turned$categories$variant), rev(levels(results$categories$variant)))
})

test_that("a missing or spoilt file of variants is told, and hides nothing of the other files", {
  folder <- spoil("categories.csv", set_cell(2, "category_pred", "LR-9"))
  file.remove(file.path(folder, "variants.csv"))
  told <- conditionMessage(problems_of(folder))
  expect_match(told, "variants.csv: expected a file, found none", fixed = TRUE)
  expect_match(told, "categories.csv, column category_pred, row 2: expected one of LR-3", fixed = TRUE)
  expect_no_match(told, "column variant, row", fixed = TRUE)
  expect_problem(
    "variants.csv", set_cell(3, "kind", "guess"),
    "variants.csv, column kind, row 3: expected one of segmentation, features, direct, found 'guess'"
  )
  expect_problem("variants.csv", function(lines) lines[c(1:3, 3)], "variants.csv, column variant, row 4: expected each")
  expect_problem("variants.csv", function(lines) lines[1], "variants.csv: expected at least one row, found none")
  # A variant that the other files name has to be there.
  expect_problem(
    "variants.csv", function(lines) lines[!startsWith(lines, "vgg16-plain,")], "found 'vgg16-plain'"
  )
})

test_that("a missing or doubled column, ragged rows and no rows are told", {
  expect_problem(
    "lesions.csv", function(lines) sub("diameter_mm", "diameter", lines),
    "lesions.csv, column diameter_mm: expected this column, found columns patient_id"
  )
  expect_problem(
    "patients.csv", function(lines) sub("sex", "fold", lines), "patients.csv, column fold: expected one such column"
  )
  expect_problem(
    "patients.csv", function(lines) replace(lines, 3, paste0(lines[3], ",9")), "patients.csv, row 3: expected"
  )
  expect_problem("patients.csv", function(lines) lines[1], "patients.csv: expected at least one row, found none")
})

test_that("bad cells are told with file, column, row, expected and found", {
  expect_problem(
    "categories.csv", set_cell(5, "category_pred", "LR-6"),
    "categories.csv, column category_pred, row 5: expected one of LR-3, LR-4, LR-5, found 'LR-6'"
  )
  expect_problem(
    "categories.csv", set_cell(2, "variant", "vgg19"), "column variant, row 2: expected one of vgg16-adaptive"
  )
  expect_problem(
    "features.csv", set_cell(4, "probability", "NaN"),
    "features.csv, column probability, row 4: expected a number in [0, 1], found 'NaN'"
  )
  expect_problem("features.csv", set_cell(4, "probability", "1.2"), "expected a number in [0, 1], found '1.2'")
  expect_problem("features.csv", set_cell(4, "probability", "high"), "expected a number in [0, 1], found 'high'")
  expect_problem(
    "lesion_detection.csv", set_cell(9, "matched", "yes"), "column matched, row 9: expected 0 or 1, found 'yes'"
  )
  expect_problem("lesions.csv", set_cell(3, "aphe_ref", "2"), "column aphe_ref, row 3: expected 0 or 1, found '2'")
  expect_problem("lesions.csv", set_cell(3, "diameter_mm", "0"), "expected a number in (0, Inf), found '0'")
  expect_problem("pixel_counts.csv", set_cell(3, "tp", "1.5"), "expected a whole number in [0, Inf), found '1.5'")
  expect_problem(
    "patients.csv", set_cell(3, "group", ""),
    "column group, row 3: expected one of positive, negative, found an empty cell"
  )
})

test_that("run facts are told by their key", {
  expect_problem("run.csv", function(lines) lines[!grepl("^cohort", lines)], "expected a row for cohort, found none")
  expect_problem(
    "run.csv", set_cell(8, "value", "many"), "row 8: expected a whole number in [2, Inf) for folds, found 'many'"
  )
  expect_problem("run.csv", set_cell(9, "value", "v2024"), "expected one of paper, v2018 for rules, found 'v2024'")
  expect_problem("run.csv", set_cell(3, "value", ""), "expected text for cohort, found an empty cell")
  expect_problem("run.csv", function(lines) c(lines, "seed,8"), "column key, row 15: expected each combination once")
})

test_that("all problems of all files are told at once, equal ones together", {
  folder <- spoil("lesions.csv", function(lines) sub("LR-4", "LR-9", lines))
  path <- file.path(folder, "patients.csv")
  writeLines(set_cell(2, "age_years", "old")(readLines(path)), path)
  file.remove(file.path(folder, "features.csv"))
  error <- problems_of(folder)
  lines <- strsplit(conditionMessage(error), "\n")[[1]]
  expect_length(grep("^lesions.csv, column category_ref, rows", lines), 1)
  expect_length(grep("^patients.csv, column age_years, row 2", lines), 1)
  expect_length(grep("^features.csv: expected a file", lines), 1)
  expect_gt(nrow(error$problems), length(lines))
})

test_that("files that contradict one another are told", {
  expect_problem(
    "lesions.csv", set_cell(2, "patient_id", "P999"),
    "lesions.csv, column patient_id, row 2: expected a patient of patients.csv, found 'P999'"
  )
  expect_problem("patients.csv", set_cell(2, "fold", "7"), "expected a fold below 3, the number of folds in run.csv")
  expect_problem(
    "features.csv", set_cell(2, "fold", "2"), "features.csv, column fold, row 2: expected '0' as patients.csv says"
  )
  expect_problem(
    "pixel_counts.csv", set_cell(2, "group", "negative"),
    "column group, row 2: expected 'positive' as patients.csv says"
  )
  expect_problem(
    "categories.csv", function(lines) lines[-2], "expected a row for vgg16-adaptive | reference_roi | NA | P001 | L1"
  )
  expect_problem(
    "categories.csv", function(lines) c(lines, lines[2]), "expected each combination once, found a repetition"
  )
  expect_problem(
    "categories.csv", set_cell(2, "lesion_id", "L9"), "expected a lesion of lesions.csv, found 'P001 | L9'"
  )
  expect_problem(
    "categories.csv", set_cell(2, "category_pred", ""), "expected a category, because the lesion is detected"
  )
  expect_problem("categories.csv", set_cell(2, "detected", "0"), "expected 1 under reference_roi, found '0'")
  expect_problem(
    "features.csv", set_cell(2, "probability", ""), "expected a number in [0, 1], because the feature was assessed"
  )
  expect_problem(
    "fold_thresholds.csv", set_cell(2, "threshold_chosen", "0.55"),
    "expected one of the thresholds of dice_by_threshold.csv: 0.1, 0.2"
  )
  expect_problem(
    "fold_thresholds.csv", function(lines) lines[-2],
    "fold_thresholds.csv, column fold + segmentation: expected a row for 0 | delayed"
  )
  expect_problem(
    "dice_by_threshold.csv", set_cell(2, "dice", "0.5"), "as the counts of pixel_counts.csv give, found '0.5'"
  )
  expect_problem(
    "dice_by_threshold.csv", function(lines) lines[-2], "expected a row for P001 | 0.1 | delayed, found none"
  )
  expect_problem(
    "patient_detection.csv", function(lines) lines[-2], "patient_detection.csv, column patient_id + threshold"
  )
  expect_problem("pixel_counts.csv", function(lines) lines[-2], "pixel_counts.csv, column patient_id + threshold")
  expect_problem(
    "lesion_detection.csv", function(lines) lines[-2], "lesion_detection.csv, column patient_id + lesion_id"
  )
})

test_that("patient-level detection must follow from lesion-level detection", {
  detected <- grep(",1,1,1,[^,]*$", readLines("fixture/patient_detection.csv"))[1]
  expect_problem(
    "patient_detection.csv", set_cell(detected, "detected", "0"),
    sprintf("column detected, row %d: expected '1' as lesion_detection.csv says, found '0'", detected)
  )
})

test_that("a feature may lack its probability where the reasons say that it was not assessed", {
  folder <- spoil("features.csv", set_cell(2, "probability", ""))
  path <- file.path(folder, "categories.csv")
  give_reasons <- function(reasons) {
    writeLines(set_cell(2, "reasons", reasons)(readLines("fixture/categories.csv")), path)
  }
  expect_match(readLines(file.path(folder, "features.csv"))[2], "^vgg16-adaptive,reference_roi,,0,P001,L1,aphe,")
  give_reasons("no APHE: LR-3 (APHE not assessed: no image of the phase)")
  expect_true(is.na(read_results(folder, test_schema())$features$probability[1]))
  give_reasons("no APHE: LR-3 (washout not assessed: no image of the phase)")
  expect_match(
    conditionMessage(problems_of(folder)), "features.csv, column probability, row 2: expected a number", fixed = TRUE
  )
  expect_identical(
    says_not_assessed(
      c(
        "(APHE; x) (washout, capsule not assessed: y)", NA, "APHE, 3 mm (capsule not assessed)", "APHE not assessed",
        "washout, 25 mm: LR-4 or LR-5, APHE, capsule not assessed (no arterial phase)",
        "washout, 25 mm: LR-4 or LR-5, APHE, capsule not assessed (no arterial phase)"
      ),
      c("capsule", "aphe", "aphe", "aphe", "aphe", "washout")
    ),
    c(TRUE, FALSE, FALSE, FALSE, TRUE, FALSE)
  )
})

test_that("a category may be empty where the reasons say LR-NC or a range, and nowhere else", {
  folder <- spoil("categories.csv", set_cell(2, "category_pred", ""))
  path <- file.path(folder, "categories.csv")
  emptied <- readLines(path)
  for (reasons in c("9 mm: LR-NC (APHE not assessed; x)", "washout, 25 mm: LR-4 or LR-5, APHE not assessed (y)")) {
    writeLines(set_cell(2, "reasons", dQuote(reasons, FALSE))(emptied), path)
    expect_true(is.na(read_results(folder, test_schema())$categories$category_pred[1]))
  }
  given <- dQuote("APHE, washout, 25 mm: LR-5 (LR-4 or LR-5, says nobody)", FALSE)
  writeLines(set_cell(2, "reasons", given)(emptied), path)
  expect_match(conditionMessage(problems_of(folder)), "categories.csv, column category_pred, row 2", fixed = TRUE)
})

test_that("a reference lesion has one diameter", {
  line <- grep(",reference,", readLines("fixture/lesion_detection.csv"))[1]
  expect_problem(
    "lesion_detection.csv", set_cell(line, "diameter_mm", "77.7"),
    sprintf("lesion_detection.csv, column diameter_mm, row %d: expected '", line)
  )
})

test_that("optional files may be absent or without rows, and are checked where they are there", {
  folder <- spoil("cohort_realism.csv", function(lines) lines[1])
  file.remove(file.path(folder, c("cohort_summary.csv", "reader_ceiling.csv", "half_split.csv")))
  results <- read_results(folder, test_schema())
  absent <- c("cohort_summary", "cohort_realism", "reader_ceiling", "half_split")
  expect_setequal(setdiff(names(read_fixture()), names(results)), absent)
  expect_problem(
    "reader_ceiling.csv", set_cell(2, "dice_readers", "1.2"),
    "reader_ceiling.csv, column dice_readers, row 2: expected a number in [0, 1], found '1.2'"
  )
  expect_problem(
    "baseline_segmentation.csv", set_cell(2, "fold", "2"), "column fold, row 2: expected '0' as patients.csv says"
  )
  expect_problem(
    "reader_ceiling.csv", set_cell(2, "patient_id", "P999"), "expected a patient of patients.csv, found 'P999'"
  )
  expect_problem("half_split.csv", set_cell(2, "lesion_id", "L9"), "expected a lesion of lesions.csv")
  expect_problem(
    "cohort_realism.csv", function(lines) sub("literature_low", "low", lines), "column literature_low: expected this"
  )
})

test_that("tables that may be empty may be empty", {
  folder <- spoil("features.csv", function(lines) lines[1])
  expect_equal(nrow(read_results(folder, test_schema())$features), 0)
})

pack <- function(folder, file, lines = readLines(file.path(folder, file))) {
  connection <- gzfile(file.path(folder, paste0(file, ".gz")), "w")
  on.exit(close(connection))
  writeLines(lines, connection)
}

test_that("a packed file reads as the plain one, which comes first", {
  folder <- spoil("lesion_detection.csv", identity)
  pack(folder, "lesion_detection.csv")
  pack(folder, "features.csv", "another,table")
  file.remove(file.path(folder, "lesion_detection.csv"))
  expect_identical(read_results(folder, test_schema()), read_fixture())
})

test_that("a packed file is checked as the plain one is", {
  folder <- spoil("lesion_detection.csv", set_cell(2, "kind", "guess"))
  pack(folder, "lesion_detection.csv")
  file.remove(file.path(folder, "lesion_detection.csv"))
  expect_match(conditionMessage(problems_of(folder)), "guess", fixed = TRUE)
})
