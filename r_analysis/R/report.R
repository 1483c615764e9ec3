#' Renders the report.
#'
#' The source is copied to a temporary folder first, so that nothing is written beside it.
#'
#' @param analysis List as of [run_analysis()].
#' @param figures List as of [build_figures()], already written.
#' @param figure_folder Folder of the written figures.
#' @param source Folder of report.Rmd, its chapters and report.css.
#' @param path HTML file to write.
#' @return Names of the outputs that the report shows, invisibly.
render_report <- function(analysis, figures, figure_folder, source, path) {
  work <- tempfile("report-")
  dir.create(work)
  on.exit(unlink(work, recursive = TRUE))
  pages <- c(
    "report.Rmd", "virtual_cohort.Rmd", "segmentation_variants.Rmd", "draws.Rmd", "yardsticks.Rmd", "report.css"
  )
  file.copy(file.path(source, pages), work)
  # The mode of a read-only checkout is copied too.
  Sys.chmod(list.files(work, full.names = TRUE), "0644")
  style <- readLines(file.path(work, "report.css"), encoding = "UTF-8")
  writeLines(c("<style>", style, "</style>"), file.path(work, "style.html"), useBytes = TRUE)
  format <- rmarkdown::output_format(
    knitr = rmarkdown::knitr_options_html(fig_width = 7, fig_height = 5, fig_retina = NULL, keep_md = FALSE),
    pandoc = rmarkdown::pandoc_options(
      to = "html5", from = "markdown-tex_math_dollars-smart",
      args = c(
        "--standalone", "--include-in-header", "style.html", "--metadata",
        paste0("pagetitle=", analysis$label, ": report"), "--metadata", "lang=en"
      )
    ),
    clean_supporting = TRUE
  )
  environment <- new.env(parent = environment())
  environment$analysis <- analysis
  environment$figures <- figures
  presenter <- new_presenter(analysis, figures)
  environment$show <- presenter$show
  environment$show_rest <- presenter$show_rest
  rmarkdown::render(
    file.path(work, "report.Rmd"), output_format = format, output_file = "report.html", output_dir = work,
    intermediates_dir = work,
    envir = environment, quiet = TRUE
  )
  page <- readLines(file.path(work, "report.html"), encoding = "UTF-8")
  writeLines(embed_pictures(page, figure_folder), path, useBytes = TRUE)
  invisible(presenter$list_shown())
}

#' Puts the pictures that a page refers to into it.
#'
#' Pandoc can do it, too, and takes a quarter of a minute for these.
#'
#' @param page Lines of HTML.
#' @param folder Folder of the PNG files.
#' @return The lines; the page needs no other file.
embed_pictures <- function(page, folder) {
  places <- gregexpr("(?<=<img src=\")[^\":]+[.]png(?=\")", page, perl = TRUE)
  regmatches(page, places) <- lapply(regmatches(page, places), function(names) {
    vapply(file.path(folder, names), knitr::image_uri, "", USE.NAMES = FALSE)
  })
  page
}
