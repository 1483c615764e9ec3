test_that("the schema has the files and columns of the results", {
  schema <- test_schema()
  expect_identical(unique(schema$file), c(
    "run.csv", "variants.csv", "patients.csv", "lesions.csv", "dice_by_threshold.csv", "fold_thresholds.csv",
    "pixel_counts.csv", "lesion_detection.csv", "patient_detection.csv", "features.csv", "categories.csv",
    "training_history.csv", "fold_choices.csv", "predicted_lesions.csv", "baseline_segmentation.csv", "surface.csv",
    "pretrain_dice.csv",
    "cohort_summary.csv", "cohort_realism.csv", "contrast_curves.csv", "reader_ceiling.csv", "seed_accuracy.csv",
    "half_split.csv", "durations.csv", "diagram_nodes.csv", "diagram_edges.csv", "draws.csv"
  ))
  # A file is optional as a whole.
  expect_true(all(tapply(schema$optional, schema$file, function(x) length(unique(x))) == 1))
  expect_identical(unique(schema$file[!schema$optional]), unique(schema$file)[1:12])
  # So is the order of its rows; only a file that may be absent can be of the virtual cohort alone.
  expect_true(all(tapply(schema$order, schema$file, function(x) length(unique(x))) == 1))
  expect_true(all(schema$order %in% c("sorted", "registry", "cohort")))
  expect_true(all(schema$optional[schema$order == "cohort"]))
  expect_identical(
    schema_columns(schema, "categories.csv")$column,
    c(
      "variant", "roi", "segmentation", "fold", "patient_id", "lesion_id", "diameter_mm", "category_ref",
      "category_pred", "detected", "reasons"
    )
  )
  expect_identical(schema_levels(schema, "lesions.csv", "category_ref"), c("LR-3", "LR-4", "LR-5"))
  expect_identical(
    schema$run_key[schema$run_key != ""],
    c(
      "run", "cohort", "profile", "commit", "dirty", "seed", "folds", "segmentation", "rules", "decision_threshold",
      "python", "tensorflow", "keras"
    )
  )
})

test_that("columns of variants take the names of their kinds, in the order of variants.csv", {
  schema <- test_schema()
  variants <- data.frame(variant = c("z", "y", "x", "w"), kind = c("direct", "segmentation", "features", "direct"))
  resolved <- resolve_variants(schema, variants)
  expect_identical(schema_levels(resolved, "features.csv", "variant"), "x")
  expect_identical(schema_levels(resolved, "categories.csv", "variant"), c("z", "x", "w"))
  expect_identical(schema_levels(resolve_variants(schema, variants[2, ]), "features.csv", "variant"), character())
  others <- !refers_to_variants(schema$allowed)
  expect_setequal(unique(schema$column[!others]), c("variant", "segmentation"))
  expect_identical(schema_levels(resolved, "training_history.csv", "variant"), c("z", "y", "x", "w"))
  # A table either scores masks, and then each row is of a segmentation variant, or regions, of which the reference ones
  # are of none.
  of <- schema[schema$column == "segmentation", ]
  expect_true(all(of$identifies_row) && unique(of$allowed) == "variants.csv: segmentation")
  expect_identical(of$file[!of$required], schema$file[schema$column == "roi"])
  expect_identical(resolved[others, ], schema[others, ])
  unknown <- resolve_variants(schema, NULL)
  expect_false(convert_column("any", schema_columns(unknown, "features.csv")[1, ])$bad)
})

test_that("every example satisfies its own row", {
  schema <- resolve_variants(test_schema(), read_fixture()$variants)
  for (i in which(schema$example != "")) {
    cell <- convert_column(schema$example[i], schema[i, ])
    expect_false(cell$bad, info = paste(schema$file[i], schema$column[i]))
  }
  expect_true(all(!schema$required[schema$example == ""]))
  expect_true(all(schema$type %in% c("string", "integer", "number", "flag", "factor")))
})

test_that("intervals are read with their ends", {
  expect_identical(is_in_interval(c(0, 1, 1.1), "[0, 1]"), c(TRUE, TRUE, FALSE))
  expect_identical(is_in_interval(c(0, 1e9, Inf), "(0, Inf)"), c(FALSE, TRUE, FALSE))
  expect_identical(is_in_interval(c(-5, NaN), ""), c(TRUE, FALSE))
})

test_that("the data dictionary is the one that the schema implies", {
  written <- readLines(file.path(analysis_folder, "DATA_DICTIONARY.md"), encoding = "UTF-8")
  expect_identical(written, format_data_dictionary(test_schema(), yardsticks_schema()))
})
