#' DATA_DICTIONARY.md as the schema implies it.
#'
#' @param schema Data frame as of [read_schema()].
#' @param yardsticks The same of the table that belongs to no run.
#' @return Character vector of lines.
format_data_dictionary <- function(schema, yardsticks) {
  c(
    "# Data dictionary of the results", "",
    "Written from `schema.csv` by `Rscript r_analysis/write_data_dictionary.R`; a test compares the two.",
    "`schema.csv` alone describes the columns: the writer, `experiments/results_tables.py`, loads it, and R checks a",
    "results folder against it.",
    "",
    "Files are UTF-8 CSV with a header. A missing value is an empty cell, never `NA` or `NaN`. Flags are 0 or 1.",
    "Floats have six significant digits. Columns beyond these are allowed and kept. In `schema.csv`, `allowed` is a",
    "list (`a|b`), an interval (`[0, 1]`, `(0, Inf)`) or the names that `variants.csv` has for some kinds",
    "(`variants.csv: features direct`), `required` is 1 where a cell may not be empty, and the columns with",
    "`identifies_row` = 1 are together unique. `order` tells of a file's rows: `sorted` by what identifies them, or as",
    "they stand in the `registry` of variants or in the tables of a virtual `cohort`, which alone has such a file.",
    "`features.csv`, `categories.csv` and `training_history.csv` may have no row: the report then names the gap. Where",
    "`optional` is 1 the whole file may be absent. `cohort_montage.png`, `figure_8.png` and `figure_11.png` are put",
    "into the report where they are there.",
    "",
    "Beyond single cells the files must agree with one another: patients, their group and fold as in",
    "`patients.csv`; lesions as in `lesions.csv`; in every table that has a `segmentation` those of `run.csv`, all and",
    "no other, the article's own among them; for each of these every patient at every threshold of `pixel_counts.csv`",
    "and `patient_detection.csv`, every patient with a reference lesion at every threshold of `dice_by_threshold.csv`,",
    "with the Dice that `pixel_counts.csv` gives where both have the threshold, every reference lesion at every",
    "threshold of `lesion_detection.csv`, and a threshold for every fold; every reference lesion once in each variant",
    "and region of `categories.csv`; an `iou` above 0 where something is shared; an empty category or probability for",
    "missed lesions only.",
    "",
    format_dictionary_files(schema),
    "# A table that belongs to no run", "",
    "Written from `yardsticks_schema.csv` in the same way. `yardsticks.csv` lies beside it: other networks, and more",
    "minutes, on a development cohort, by `experiments/benchmarks/yardsticks.py`. No results folder has it. Cohort and",
    "settings are the same in all rows, and the facts of a training in all of its rows.", "",
    format_dictionary_files(yardsticks)
  )
}

#' Sections of DATA_DICTIONARY.md, one a file.
#'
#' @param schema Data frame as of [read_schema()].
#' @return Character vector of lines.
format_dictionary_files <- function(schema) {
  cell <- function(text) gsub("|", "\\|", text, fixed = TRUE)
  describe_type <- function(rows) {
    values <- gsub("|", ", ", rows$allowed, fixed = TRUE)
    by_kind <- refers_to_variants(rows$allowed)
    values[by_kind] <- vapply(rows$allowed[by_kind], function(allowed) {
      paste0("a variant of `", VARIANTS_FILE, "` whose kind is ", paste(referred_kinds(allowed), collapse = " or "))
    }, character(1))
    limits <- ifelse(values == "", "", paste0(": ", values))
    paste0(rows$type, limits)
  }
  sections <- lapply(unique(schema$file), function(file) {
    columns <- schema_columns(schema, file)
    keys <- schema[schema$file == file & schema$run_key != "", ]
    unit <- function(rows) ifelse(rows$unit == "", "\u2013", rows$unit)
    table <- function(names, rows) {
      c(
        "| column | type | unit | may be empty | meaning | example |", "|---|---|---|---|---|---|",
        sprintf(
          "| `%s` | %s | %s | %s | %s | %s |", names, cell(describe_type(rows)), unit(rows),
          ifelse(rows$required, "no", "yes"),
          cell(rows$meaning), ifelse(rows$example == "", "(empty)", sprintf("`%s`", rows$example))
        ), ""
      )
    }
    c(
      paste0("## ", file), "",
      paste0("One row for each ", paste0("`", columns$column[columns$identifies_row], "`", collapse = ", "), "."),
      if (columns$optional[1]) c("", "The file may be absent: the report then leaves out what is made from it."), "",
      table(columns$column, columns),
      if (nrow(keys) > 0) c(
        "Keys that must be there:", "", sub("column", "key", table(keys$run_key, keys), fixed = TRUE)
      )
    )
  })
  unlist(sections)
}
