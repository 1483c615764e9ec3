#' Renders the report.
#'
#' The source is copied to a temporary folder first, so that nothing is written beside it.
#'
#' @param analysis List as of [run_analysis()].
#' @param figures List as of [build_figures()], already written.
#' @param figure_folder Folder of the written figures.
#' @param source Folder of report.Rmd, virtual_cohort.Rmd and report.css.
#' @param path HTML file to write.
render_report <- function(analysis, figures, figure_folder, source, path) {
  work <- tempfile("report-")
  dir.create(work)
  on.exit(unlink(work, recursive = TRUE))
  file.copy(file.path(source, c("report.Rmd", "virtual_cohort.Rmd", "report.css")), work)
  # The mode of a read-only checkout is copied too.
  Sys.chmod(list.files(work, full.names = TRUE), "0644")
  format <- rmarkdown::output_format(
    knitr = rmarkdown::knitr_options_html(fig_width = 7, fig_height = 5, fig_retina = NULL, keep_md = FALSE),
    pandoc = rmarkdown::pandoc_options(
      to = "html5", from = "markdown-tex_math_dollars-smart",
      args = c(
        "--standalone", "--self-contained", "--css", "report.css", "--metadata",
        paste0("pagetitle=", analysis$label, ": report"), "--metadata", "lang=en"
      )
    ),
    clean_supporting = TRUE
  )
  environment <- new.env(parent = environment())
  environment$analysis <- analysis
  environment$figures <- figures
  environment$figure_folder <- normalizePath(figure_folder)
  rmarkdown::render(
    file.path(work, "report.Rmd"), output_format = format, output_file = "report.html", output_dir = work,
    intermediates_dir = work,
    envir = environment, quiet = TRUE
  )
  if (!file.copy(file.path(work, "report.html"), path)) {
    stop("the report could not be copied to ", path)
  }
}
