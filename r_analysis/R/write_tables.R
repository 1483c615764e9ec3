#' Writes a table with the same bytes for the same content.
#'
#' @param table Data frame; numbers are written with six significant digits, NA as an empty cell.
#' @param path CSV file, UTF-8.
write_table <- function(table, path) {
  table[] <- lapply(table, function(column) {
    if (is.logical(column)) column <- as.integer(column)
    text <- if (is.numeric(column)) sprintf("%.6g", column) else as.character(column)
    replace(text, is.na(column), "")
  })
  readr::write_csv(table, path, na = "", eol = "\n", progress = FALSE)
}

#' Writes the estimate of every output that has a file; each begins with its cohort.
#'
#' @param analysis List as of [run_analysis()].
#' @param folder Folder of the report; the files lie in it, or in a folder of it, as the outputs say.
write_tables <- function(analysis, folder) {
  for (output in analysis$outputs) {
    table <- get_estimate(analysis, output$name)
    if (!is.null(output$csv) && NROW(table) > 0) {
      within <- file.path(folder, output$csv_folder)
      dir.create(within, showWarnings = FALSE, recursive = TRUE)
      write_table(cbind(cohort = get_label(output, analysis), table), file.path(within, paste0(output$csv, ".csv")))
    }
  }
}
