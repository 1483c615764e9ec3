FILES_THAT_MAY_BE_EMPTY <- c("features.csv", "categories.csv", "training_history.csv")

#' Reads a CSV file as text, without guessing anything.
#'
#' @param path CSV file, UTF-8.
#' @param name Name of the file in messages.
#' @return List of `table` (character columns; NULL if the file cannot be read) and `problems`.
read_text_table <- function(path, name) {
  failed <- function(expected, found) list(table = NULL, problems = new_problems(name, "", NA, expected, found))
  if (!file.exists(path) || dir.exists(path)) {
    return(failed("a file", "none"))
  }
  if (file.size(path) == 0) {
    return(failed("a header and rows", "an empty file"))
  }
  lines <- readLines(path, warn = FALSE, encoding = "UTF-8")
  if (!all(validUTF8(lines))) {
    return(failed("UTF-8 text", paste("other bytes in line", which(!validUTF8(lines))[1])))
  }
  table <- suppressWarnings(readr::read_csv(
    path, col_types = readr::cols(.default = readr::col_character()), na = character(), trim_ws = FALSE,
    name_repair = "minimal", skip_empty_rows = FALSE, lazy = FALSE, progress = FALSE
  ))
  ragged <- readr::problems(table)
  problems <- new_problems(name, "", ragged$row, ragged$expected, ragged$actual)
  doubled <- unique(names(table)[duplicated(names(table))])
  problems <- rbind(problems, new_problems(name, doubled, rep(NA, length(doubled)), "one such column", "several"))
  list(table = as.data.frame(table), problems = problems)
}

#' Checks the cells of one column against its row of the schema.
#'
#' @param text Character vector of cells ("" is an empty cell).
#' @param spec One row of the schema.
#' @return List of `values` (converted; NA where a cell is empty or bad), `bad` (logical) and `empty` (logical: empty
#'   but required).
convert_column <- function(text, spec) {
  empty <- text == ""
  values <- switch(spec$type,
    string = replace(text, empty, NA_character_),
    flag = match(text, c("0", "1")) - 1L,
    factor = factor(text, strsplit(spec$allowed, "|", fixed = TRUE)[[1]]),
    suppressWarnings(as.numeric(text))
  )
  bad <- is.na(values) & !empty
  if (spec$type %in% c("number", "integer")) {
    known <- !is.na(values)
    bad[known] <- !is_in_interval(values[known], spec$allowed)
    if (spec$type == "integer") {
      bad[known] <- bad[known] | values[known] != round(values[known])
    }
    values[bad] <- NA
  }
  list(values = values, bad = bad, empty = empty & spec$required)
}

#' Checks and converts the columns of one results file.
#'
#' @param table Data frame of text as of [read_text_table()].
#' @param specs Rows of the schema for this file.
#' @return List of `table` (typed columns of the schema, then any others as text) and `problems`.
convert_table <- function(table, specs) {
  name <- specs$file[1]
  problems <- new_problems()
  for (i in seq_len(nrow(specs))) {
    spec <- specs[i, ]
    if (!spec$column %in% names(table)) {
      found <- paste0("columns ", paste(names(table), collapse = ", "))
      problems <- rbind(problems, new_problems(name, spec$column, NA, "this column", found))
      next
    }
    text <- table[[spec$column]]
    column <- convert_column(text, spec)
    expected <- describe_expected(spec)
    problems <- rbind(
      problems,
      new_problems(name, spec$column, which(column$bad) + 1, expected, sprintf("'%s'", text[column$bad])),
      new_problems(name, spec$column, which(column$empty) + 1, expected, rep("an empty cell", sum(column$empty)))
    )
    table[[spec$column]] <- column$values
  }
  identifiers <- specs$column[specs$identifies_row]
  if (length(identifiers) > 0 && all(identifiers %in% names(table))) {
    repeated <- which(duplicated(table[identifiers]))
    problems <- rbind(problems, new_problems(
      name, paste(identifiers, collapse = " + "), repeated + 1, "each combination once",
      rep("a repetition", length(repeated))
    ))
  }
  if (nrow(table) == 0 && !specs$optional[1] && !name %in% FILES_THAT_MAY_BE_EMPTY) {
    problems <- rbind(problems, new_problems(name, "", NA, "at least one row", "none"))
  }
  list(table = table, problems = problems)
}

#' Checks the facts of run.csv.
#'
#' @param run Data frame `key`, `value`.
#' @param specs Rows of the schema with a `run_key`.
#' @return Problems.
check_run_facts <- function(run, specs) {
  problems <- new_problems()
  for (i in seq_len(nrow(specs))) {
    spec <- specs[i, ]
    row <- match(spec$run_key, run$key)
    if (is.na(row)) {
      problems <- rbind(problems, new_problems("run.csv", "key", NA, paste("a row for", spec$run_key), "none"))
      next
    }
    text <- if (is.na(run$value[row])) "" else run$value[row]
    cell <- convert_column(text, spec)
    if (cell$bad || cell$empty) {
      expected <- paste(describe_expected(spec), "for", spec$run_key)
      found <- if (cell$empty) "an empty cell" else sprintf("'%s'", text)
      problems <- rbind(problems, new_problems("run.csv", "value", row + 1, expected, found))
    }
  }
  problems
}

#' Path of a results file: packed where only that is there.
#' @param folder,file Folder and name.
find_table <- function(folder, file) {
  path <- file.path(folder, file)
  packed <- paste0(path, ".gz")
  if (!file.exists(path) && file.exists(packed)) packed else path
}

#' Reads and checks one results file by itself.
#'
#' @param folder,file Folder and name.
#' @param schema Data frame as of [resolve_variants()].
#' @return List of `table` (typed; NULL if the file is optional and absent, or not sound) and `problems`.
read_results_table <- function(folder, file, schema) {
  path <- find_table(folder, file)
  specs <- schema_columns(schema, file)
  if (specs$optional[1] && !file.exists(path)) {
    return(list(table = NULL, problems = new_problems()))
  }
  read <- read_text_table(path, file)
  if (is.null(read$table)) {
    return(read)
  }
  converted <- convert_table(read$table, specs)
  if (file == "run.csv" && nrow(converted$problems) == 0) {
    converted$problems <- check_run_facts(converted$table, schema[schema$file == file & schema$run_key != "", ])
  }
  problems <- rbind(read$problems, converted$problems)
  list(table = if (nrow(problems) == 0) converted$table, problems = problems)
}

#' Reads and checks all results files of a run.
#'
#' A file may be packed, `lesion_detection.csv.gz` say; where both are there, the plain one counts. Columns that the
#' schema does not know are kept as text. Rows are numbered as lines of the file, the header being line 1. A file that
#' the schema calls optional may be absent, or have no row, which comes to the same. variants.csv is read first: which
#' variants the other files may name stands there.
#'
#' @param folder Folder of the CSV files.
#' @param schema Data frame as of [read_schema()].
#' @return Named list of data frames, names without ".csv"; the facts of the run are in the order of the schema, and
#'   `variants` has text instead of factors. Raises an `input_error` with every problem of every file.
read_results <- function(folder, schema) {
  if (!dir.exists(folder)) {
    stop_for_problems(new_problems(folder, "", NA, "a folder of results CSVs", "none"))
  }
  variants <- read_results_table(folder, VARIANTS_FILE, schema)
  resolved <- resolve_variants(schema, variants$table)
  problems <- variants$problems
  # Files that disagree are only told of when each of them is sound by itself.
  results <- list()
  if (!is.null(variants$table)) {
    results$variants <- variants$table
    results$variants[] <- lapply(variants$table, function(x) if (is.factor(x)) as.character(x) else x)
  }
  for (file in setdiff(unique(schema$file), VARIANTS_FILE)) {
    read <- read_results_table(folder, file, resolved)
    problems <- rbind(problems, read$problems)
    results[[sub("\\.csv$", "", file)]] <- read$table
  }
  stop_for_problems(rbind(problems, check_agreement(results)))
  known <- schema$run_key[schema$run_key != ""]
  results$run <- results$run[order(match(results$run$key, known)), ]
  optional <- sub("\\.csv$", "", unique(schema$file[schema$optional]))
  results[!names(results) %in% optional | vapply(results, nrow, integer(1)) > 0]
}

#' Pictures that the writer of the results may put beside the tables.
PICTURES <- c(montage = "cohort_montage.png", figure_8 = "figure_8.png", figure_11 = "figure_11.png")

#' Finds the pictures of a results folder, and the reader's screenshot.
#'
#' @param folder Folder of the results.
#' @param reader Path of the screenshot, which belongs to no run; NULL for none.
#' @return Named character vector of paths: those of `PICTURES` and `reader` that are there. Raises an `input_error` if
#'   one of them is no PNG.
find_pictures <- function(folder, reader = NULL) {
  paths <- c(stats::setNames(file.path(folder, PICTURES), names(PICTURES)), reader = reader)
  paths <- paths[file.exists(paths)]
  signature <- as.raw(c(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a))
  is_png <- vapply(paths, function(path) identical(readBin(path, "raw", 8), signature), logical(1))
  wrong <- unname(paths[!is_png])
  stop_for_problems(new_problems(basename(wrong), "", rep(NA, length(wrong)), "a PNG picture", "other bytes"))
  paths
}
